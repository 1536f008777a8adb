"""The data plane: requests in, answers of the chosen provider out."""
