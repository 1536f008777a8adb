"""The contract between both planes."""
