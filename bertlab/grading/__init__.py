"""Assignments: their student versions, what is handed in, and its grades.

Everything here needs the extra ``grading`` (nbgrader); nothing else in bertlab does.
"""
