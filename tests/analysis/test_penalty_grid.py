"""The grid of penalties and its map."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from test_study import planted

from captum_lca.analysis.penalty_grid import PenaltyGrid, plot_grid, score_map
from captum_lca.probes.path import report_of

POINTS = [(0.001, 0.1, 0.1), (0.01, 0.1, 0.2), (0.001, 0.2, 0.3), (0.01, 0.2, 0.4)]
TABLE = pd.DataFrame(POINTS, columns=["l1", "l2", "score"])


def test_a_path_for_each_l2():
    grid = PenaltyGrid([0.03, 0.1], [0.01, 0.1])
    data = planted(0, rows=120)
    found = [report_of(probe) for probe in grid.fit(data.activations, data.labels)]
    assert [(r.l1, r.l2) for r in found] == [(0.1, 0.1), (0.03, 0.1), (0.1, 0.01), (0.03, 0.01)]
    assert len(grid) == 4


def test_maps_go_from_strong_to_weak():
    scores = score_map(TABLE)
    assert scores.columns.tolist() == [0.01, 0.001]
    assert scores.index.tolist() == [0.2, 0.1]
    assert scores.to_numpy().tolist() == [[0.4, 0.3], [0.2, 0.1]]


def test_the_frame_is_around_the_choice():
    ax = plot_grid(TABLE, "score", (0.001, 0.2), Figure().subplots())
    [frame] = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert (frame.get_x(), frame.get_y()) == (0.5, -0.5)
