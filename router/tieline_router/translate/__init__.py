"""One API in the place of another: requests there, answers and streams back. Pure; one file per directed pair."""
