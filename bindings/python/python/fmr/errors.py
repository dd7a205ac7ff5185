"""What can go wrong."""


class FmrError(Exception):
    """An evaluation that has no result; the base of all others."""


class ConfigError(FmrError, ValueError):
    """A setting that cannot be, or names something that is not there."""


class StoreError(FmrError):
    """A run's folder that cannot be made, read or written, or that belongs to a run with other settings."""


class ModelError(FmrError):
    """A model raised an exception, which is the cause of this one."""


class Interrupted(FmrError):
    """A run that was asked to stop."""


class ValidityWarning(UserWarning):
    """A doubt about figures, which the table says too."""
