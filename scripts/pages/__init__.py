"""The reference pages of docs/: each module gives one page's text from the code that it describes."""
