"""What the router says about itself: metrics, one log line per request, and the names of both."""
