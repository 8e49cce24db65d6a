"""The part of a spec that small studies of related variants share: data, network and recipe."""

TINY = """\
data: {kind: procedural, size: [32, 32], train_clips: 8, val_clips: 2, test_clips: 3}
arch: {base_channels: 4, blocks: [0, 0, 1, 1], decoder: {kind: refined, refine: [0, 0, 1]}}
recipe: {lr: 1e-3, warmup: 2, batch: 4, crop: 16, budget: {steps: 4}}
evaluation: {val_every: 2, gallery: 0}
runtime: {device: cpu}
references: []
"""
