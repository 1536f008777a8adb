"""The command line: the one place that composes both planes."""
