package main

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// load runs the clients: warm-up, a pause until a line of input comes, the measurement, the figures.
//
// Lines of output: {"event":"ready"} when warm (or all streams are open), {"event":"end"} the moment the measured part
// is over (so that whoever started this can read the gateway's CPU time), {"event":"result",…}.
type load struct {
	options options
	address netip.AddrPort
	bytes   []byte
	poll    *poller
	byFD    map[int]*client
	clients []*client
	idle    []*client
	buffer  []byte

	sent, done, opened int
	measuring          bool
	latency            []time.Duration
	firstToken         []time.Duration
	delay              []time.Duration
	errors             int
	examples           []string
}

const mostExamples = 3

var errLate = errors.New("gave up waiting (-timeout)")

func (o options) isLive() bool { return o.live > 0 || o.hold }

func newLoad(o options, address netip.AddrPort) (*load, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	l := &load{options: o, address: address, bytes: o.requestBytes(), poll: poll, byFD: map[int]*client{},
		buffer: make([]byte, 256<<10)}
	for range o.connections {
		c := &client{}
		if err := l.open(c); err != nil {
			return nil, err
		}
		l.clients = append(l.clients, c)
	}
	return l, nil
}

func (l *load) run() error {
	lines := input()
	if l.options.isLive() {
		return l.runLive(func() { goOn(lines) })
	}
	l.idle = slices.Clone(l.clients)
	if err := l.closed(l.options.warmUp); err != nil {
		return err
	}
	say(object{"event": "ready", "errors": l.errors, "examples": l.examples})
	goOn(lines)
	l.measuring = true
	begun, used := time.Now(), cpu()
	var err error
	if l.options.rate > 0 {
		err = l.paced()
	} else {
		err = l.closed(l.options.requests)
	}
	seconds := time.Since(begun).Seconds()
	say(object{"event": "end"})
	if err != nil {
		return err
	}
	l.result(l.done, seconds, cpu()-used)
	return nil
}

// step waits for sockets and serves them.
func (l *load) step(longest time.Duration) error {
	events, err := l.poll.wait(longest)
	if err != nil {
		return err
	}
	for _, event := range events {
		l.ready(int(event.Fd), event.Events)
	}
	return nil
}

// closed sends so many requests, each connection one after the other, or as many as are answered in time.
func (l *load) closed(requests int) error {
	deadline, last := time.Now().Add(l.options.timeout), time.Now().Add(l.options.most)
	l.sent, l.done = 0, 0
	for l.done < requests {
		if time.Now().After(last) {
			requests = l.sent
		}
		for len(l.idle) > 0 && l.sent < requests {
			l.start(l.pop(), time.Now())
		}
		if err := l.step(time.Second); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errLate
		}
	}
	return nil
}

// paced sends request number i at i/rate seconds; one that finds no free connection waits, and its clock runs.
func (l *load) paced() error {
	begun := time.Now()
	deadline := begun.Add(l.options.timeout)
	between := time.Duration(float64(time.Second) / l.options.rate)
	l.sent, l.done = 0, 0
	for l.done < l.options.requests {
		next := begun.Add(time.Duration(l.sent) * between)
		for len(l.idle) > 0 && l.sent < l.options.requests && !next.After(time.Now()) {
			l.start(l.pop(), next)
			next = next.Add(between)
		}
		longest := time.Second
		if len(l.idle) > 0 && l.sent < l.options.requests {
			longest = max(0, time.Until(next))
		}
		if err := l.step(longest); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errLate
		}
	}
	return nil
}

// pop takes the connection that has been idle longest, so that all of them are used.
func (l *load) pop() *client {
	c := l.idle[0]
	l.idle = l.idle[1:]
	return c
}

// runLive opens one stream per connection, evenly over a second, and measures while all are open.
func (l *load) runLive(wait func()) error {
	deadline := time.Now().Add(l.options.timeout)
	begun := time.Now()
	between := time.Second / time.Duration(len(l.clients))
	for l.opened < len(l.clients) {
		next := begun.Add(time.Duration(l.sent) * between)
		for l.sent < len(l.clients) && !next.After(time.Now()) {
			l.start(l.clients[l.sent], time.Now())
			next = begun.Add(time.Duration(l.sent) * between)
		}
		if err := l.step(max(0, min(time.Until(next), 10*time.Millisecond))); err != nil {
			return err
		}
		if time.Now().After(deadline) || l.errors > 0 {
			break
		}
	}
	if err := l.pass(l.options.settle); err != nil {
		return err
	}
	say(object{"event": "ready", "errors": l.errors, "examples": l.examples, "open": l.opened})
	wait()
	if l.options.hold {
		say(object{"event": "end"})
		l.result(l.opened, 1, 0)
		return nil
	}
	return l.window(deadline)
}

// pass serves the sockets for so long.
func (l *load) pass(span time.Duration) error {
	end := time.Now().Add(span)
	for left := span; left > 0; left = time.Until(end) {
		if err := l.step(left); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) window(deadline time.Time) error {
	begun, used, early := time.Now(), cpu(), l.done
	l.measuring = true
	if err := l.pass(l.options.live); err != nil {
		return err
	}
	l.measuring = false
	seconds, spent, ended := time.Since(begun).Seconds(), cpu()-used, l.done
	say(object{"event": "end", "endedBefore": early, "endedWithin": ended - early})
	for l.done < len(l.clients) {
		if err := l.step(time.Second); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errLate
		}
	}
	l.result(l.options.connections, seconds, spent)
	return nil
}

// pieces notes how long pieces of text were under way from the mock to here.
func (l *load) pieces(sent []int64, now time.Time) {
	if l.measuring && l.options.isLive() {
		for _, at := range sent {
			l.delay = append(l.delay, time.Duration(now.UnixNano()-at))
		}
	}
}

func (l *load) problem(err error) {
	l.errors++
	if len(l.examples) < mostExamples {
		l.examples = append(l.examples, err.Error())
	}
}

func (l *load) result(requests int, seconds, spent float64) {
	say(object{"event": "result", "requests": requests, "errors": l.errors, "examples": l.examples,
		"seconds": seconds, "rps": float64(requests) / seconds, "clientSeconds": spent,
		"latency": summary(l.latency), "firstToken": summary(l.firstToken),
		"events": len(l.delay), "delay": summary(l.delay)})
}

// summary gives microseconds; null without samples.
func summary(samples []time.Duration) any {
	if len(samples) == 0 {
		return nil
	}
	slices.Sort(samples)
	at := func(percent float64) float64 {
		index := min(len(samples)-1, int(percent/100*float64(len(samples))))
		return float64(samples[index].Nanoseconds()) / 1000
	}
	return object{"p50": at(50), "p90": at(90), "p99": at(99), "max": at(100)}
}

// cpu is this process's own user and system time in seconds.
func cpu() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}
