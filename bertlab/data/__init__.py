"""Reading data files, and saying precisely what is wrong with one."""

from bertlab.data.errors import DataError

__all__ = ["DataError"]
