module tieline.dev/bench/load

go 1.26
