"""Run `tempo notify`: send a notice by hand, as the user's profile says."""

from __future__ import annotations

import argparse

EPILOG = """examples:
  tempo notify                            whether notices arrive
  tempo notify "the cluster is back"      any text

~/.config/tempo/profile.yaml says how; addresses come from the environment alone:
  notify: {webhook: $SLACK_WEBHOOK, form: slack, on: [finished, first_failure]}
  notify: {command: sendmail -t, form: email, to: ann@example.org, on: [decided]}
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Send a notice at once, to see whether those of studies will arrive. Studies send theirs "
        "by themselves, as `notify` of the user's profile says."
    )
    parser.epilog = EPILOG
    parser.add_argument("text", nargs="?", default="Notices of Tempo arrive here.", metavar="TEXT")
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Send the text and print how each channel went."""
    from tempo.workflow.inspection.notification import notify

    for sentence in notify(options.text):
        print(sentence)
    return 0
