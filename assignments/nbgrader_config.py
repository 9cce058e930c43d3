"""For nbgrader's own commands, run in this folder: the settings that ``bertlab assign`` uses."""

from bertlab.grading.course import settings

c = get_config()  # noqa: F821  # nbgrader defines it
c.merge(settings())
