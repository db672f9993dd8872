"""Figures of a study, as plotly figures that a notebook can show or change.

    from recsys_search.search import figures

    study = figures.StudyData.read("sqlite:///studies.db", "breakthrough")
    figures.best_so_far(study).show()

The report and the dashboard show the same ones.
"""

from __future__ import annotations

from ..results.study_data import StudyData as StudyData
from .comparison import compared_progress as compared_progress
from .contours import contours as contours
from .curves import curves as curves
from .curves import latents as latents
from .importance import importance as importance
from .kl_weight import kl_weight as kl_weight
from .parallel_coordinates import parallel_coordinates as parallel_coordinates
from .progress import best_so_far as best_so_far
from .slices import slices as slices
from .timeline import timeline as timeline
