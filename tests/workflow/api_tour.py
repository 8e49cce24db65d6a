"""The public API from a spec to a verdict, as a script: `python api_tour.py SPEC FOLDER`.

The last line of its output is JSON with what the DataFrames hold, for a test to compare.
"""

import json
import sys
import warnings

import tempo

spec, folder = sys.argv[1:]
places = {
    "records": f"{folder}/records",
    "reports": f"{folder}/reports",
    "cache": f"{folder}/cache",
}

study = tempo.load_study(
    spec, profile="smoke", overrides={"recipe.lr": 1e-3, "seeds": 2}, mlflow="off", **places
)
plan = study.plan(counts=True)
assert "complete" in str(plan) and "<table" in plan._repr_html_()
states = plan.table()
priced = study.price()
outcome = study.run(slots=2)  # no `if __name__ == "__main__"`: workers must not run this script
assert outcome.complete and outcome.exit_code == 0, str(outcome)
assert not outcome.failures and outcome.page is not None and outcome.page.is_file()
again = study.run()
assert again.complete
status = study.status()
assert study.stop() == []
assert study.retry().complete

comparison = study.compare(metric="psnr", baseline="V2")
other = comparison.contrasts().query("metric == 'psnr'")["variant"].iloc[0]
verdict = comparison.verdict(other)
with warnings.catch_warnings():
    warnings.simplefilter("error")
    figure = comparison.figure("forest")
page = study.report()

records = tempo.open_records(places["records"])
runs = records.runs()
run = records.run(runs.dropna(subset=["seed"])["run_id"].iloc[0])
by_name = tempo.compare(study.name, records=places["records"])
try:
    tempo.load_study(spec, profile="nonsense")
except tempo.SpecError as error:
    refused = str(error)

print(
    json.dumps(
        {
            "states": states["state"].tolist(),
            "parameters": states["parameters"].dropna().tolist(),
            "hours": priced.device_hours(),
            "priced": priced.costs().index.tolist(),
            "status": [each.state for each in status.runs],
            "table": by_name.table().to_csv(index=False),
            "contrasts": by_name.contrasts().to_dict("records"),
            "curves": by_name.curves().to_dict("records"),
            "clips": by_name.clips().to_dict("records"),
            "verdict": [str(verdict.word), verdict.reason, verdict.interval.value],
            "baseline": comparison.baseline,
            "figure": figure.get_size_inches().tolist(),
            "page": str(page),
            "studies": records.studies()["study"].tolist(),
            "runs": runs.to_dict("records"),
            "metrics": run.metrics().to_dict("records"),
            "html": [x._repr_html_()[:6] for x in (records, run, by_name, plan)],
            "refused": refused,
        },
        default=str,
    )
)
