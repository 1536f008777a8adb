// Command load is both ends of the gateway benchmark: `load mock` is the provider, `load run` the clients.
//
// Each is one thread with an epoll loop of its own, because client and mock share one core and must cost less than the
// fastest gateway. Linux only, standard library only. Started by bench/gateways; talks JSON lines on standard output
// and takes a line on standard input as "go on".
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

func main() {
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread()
	debug.SetGCPercent(400)
	if len(os.Args) < 2 {
		fail(fmt.Errorf("say `load mock` or `load run`; both take -h"))
	}
	var err error
	switch os.Args[1] {
	case "mock":
		err = mockMain(os.Args[2:])
	case "run":
		err = runMain(os.Args[2:])
	default:
		err = fmt.Errorf("%q is neither mock nor run", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

// say writes one JSON line.
func say(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		fail(err)
	}
	os.Stdout.Write(append(line, '\n'))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}
