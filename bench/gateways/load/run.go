package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// options say what the clients do. Three ways of load:
//
//	closed   every connection sends its next request when the answer before has ended
//	paced    -rate: requests are due at even times, whatever happened to the ones before; waiting for a free
//	         connection counts as latency
//	live     -live or -hold: one long stream per connection, all open at once
type options struct {
	target      string
	path        string
	api         string
	model       string
	key         string
	stream      bool
	connections int
	requests    int
	warmUp      int
	rate        float64
	live        time.Duration
	settle      time.Duration
	hold        bool
	body        int
	most        time.Duration
	timeout     time.Duration
	mock        spec
}

func runMain(arguments []string) error {
	o := options{mock: defaults}
	flags := flag.NewFlagSet("load run", flag.ExitOnError)
	flags.StringVar(&o.target, "target", "", "IPv4 address and port of the gateway")
	flags.StringVar(&o.api, "api", "chat", "chat, responses or messages")
	flags.StringVar(&o.path, "path", "", "path; empty: the API's usual one")
	flags.StringVar(&o.model, "model", "bench", "model name")
	flags.StringVar(&o.key, "key", "", "bearer key")
	flags.BoolVar(&o.stream, "stream", false, "ask for server-sent events")
	flags.IntVar(&o.connections, "connections", 10, "keep-alive connections")
	flags.IntVar(&o.requests, "requests", 8000, "measured requests (closed, paced)")
	flags.IntVar(&o.warmUp, "warm-up", 200, "requests before, not measured")
	flags.Float64Var(&o.rate, "rate", 0, "paced: requests per second")
	flags.DurationVar(&o.live, "live", 0, "live: length of the measured window")
	flags.DurationVar(&o.settle, "settle", 0, "live: time between the last opening and being ready")
	flags.BoolVar(&o.hold, "hold", false, "live: say when all streams are open, close them at the next line of input")
	flags.IntVar(&o.body, "body", 0, "pad the prompt to about this many bytes")
	flags.DurationVar(&o.most, "most", time.Minute, "closed: begin no request after this time, each for warm-up and measurement")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "give up after this time, each for warm-up and measurement")
	flags.IntVar(&o.mock.events, "events", o.mock.events, "mock: pieces of text in a stream")
	flags.IntVar(&o.mock.interval, "interval", 0, "mock: microseconds between pieces")
	flags.IntVar(&o.mock.text, "text", o.mock.text, "mock: bytes of text in a plain answer")
	flags.IntVar(&o.mock.status, "status", 0, "mock: answer with this status")
	flags.IntVar(&o.mock.cut, "cut", 0, "mock: 1 cuts the answer")
	flags.Parse(arguments)
	if _, known := paths[api(o.api)]; !known {
		return fmt.Errorf("-api %q is none of chat, responses, messages", o.api)
	}
	address, err := netip.ParseAddrPort(o.target)
	if err != nil {
		return fmt.Errorf("-target: %w", err)
	}
	l, err := newLoad(o, address)
	if err != nil {
		return err
	}
	return l.run()
}

// requestBytes is what every connection sends, again and again.
func (o options) requestBytes() []byte {
	prompt := o.mock.String() + " " + strings.Repeat("The quick brown fox jumps. ", max(0, o.body-200)/27)
	body := object{"model": o.model}
	switch api(o.api) {
	case responses:
		body["input"], body["store"] = prompt, false
	case messages:
		body["messages"], body["max_tokens"] = []object{{"role": "user", "content": prompt}}, 1024
	default:
		body["messages"], body["temperature"] = []object{{"role": "system", "content": "You are terse."}, {"role": "user", "content": prompt}}, 0.5
	}
	if o.stream {
		body["stream"] = true
	}
	encoded := encode(body)
	path := o.path
	if path == "" {
		path = paths[api(o.api)]
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nhost: %s\r\nuser-agent: bench\r\naccept: */*\r\n", path, o.target)
	if o.key != "" {
		fmt.Fprintf(&head, "authorization: Bearer %s\r\n", o.key)
	}
	if api(o.api) == messages {
		head.WriteString("anthropic-version: 2023-06-01\r\n")
	}
	fmt.Fprintf(&head, "content-type: application/json\r\ncontent-length: %d\r\n\r\n%s", len(encoded), encoded)
	return head.Bytes()
}

// input turns lines on standard input into something epoll can wait for.
func input() *bufio.Reader { return bufio.NewReader(os.Stdin) }

// goOn blocks until a line of input, or its end.
func goOn(lines *bufio.Reader) { _, _ = lines.ReadString('\n') }

// client is one connection with at most one request under way.
type client struct {
	fd       int
	answer   response
	text     scanner
	begun    time.Time // when the request was due
	first    time.Time // when the first piece of text came; zero before
	out      outbox
	busy     bool
	finished bool // live: its stream has ended
}

func (l *load) open(c *client) error {
	fd, err := dial(l.address)
	if err != nil {
		return fmt.Errorf("%s: %w", l.options.target, err)
	}
	c.fd = fd
	l.byFD[fd] = c
	return l.poll.add(fd, readable)
}

func (l *load) reopen(c *client) {
	delete(l.byFD, c.fd)
	syscall.Close(c.fd)
	c.out = outbox{}
	if err := l.open(c); err != nil {
		fail(err)
	}
}

func (l *load) start(c *client, due time.Time) {
	c.answer.reset()
	c.text.reset()
	c.begun, c.first, c.busy = due, time.Time{}, true
	l.sent++
	waiting, err := c.out.send(c.fd, l.bytes)
	if err != nil {
		l.end(c, err)
	} else if waiting {
		_ = l.poll.change(c.fd, readable|writable)
	}
}

func (l *load) ready(fd int, what uint32) {
	c := l.byFD[fd]
	if c == nil {
		return
	}
	if what&writable != 0 {
		waiting, err := c.out.flush(fd)
		if err != nil {
			l.end(c, err)
			return
		}
		if !waiting {
			_ = l.poll.change(fd, readable)
		}
	}
	if what&^writable != 0 {
		l.receive(c)
	}
}

func (l *load) receive(c *client) {
	n, err := syscall.Read(c.fd, l.buffer)
	if err == syscall.EAGAIN {
		return
	}
	if n <= 0 || err != nil {
		if c.busy && c.answer.phase == untilClose && err == nil {
			l.end(c, nil)
			l.reopen(c)
		} else if c.busy {
			l.end(c, fmt.Errorf("the connection ended in the middle of an answer (%v)", err))
		} else {
			l.reopen(c)
		}
		return
	}
	if !c.busy {
		l.problem(fmt.Errorf("bytes that nobody asked for: %.60q", l.buffer[:n]))
		l.reopen(c)
		return
	}
	now := time.Now()
	_, err = c.answer.feed(l.buffer[:n], func(part []byte) { c.text.take(part) })
	if pieces := c.text.takeNew(); len(pieces) > 0 {
		if c.first.IsZero() {
			c.first = now
			l.opened++
		}
		l.pieces(pieces, now)
	}
	if err != nil {
		l.end(c, err)
	} else if c.answer.phase == complete {
		l.end(c, nil)
	}
}

// end judges one answer and lets the connection go on.
func (l *load) end(c *client, err error) {
	c.busy = false
	if err == nil {
		err = l.judge(c)
	}
	if err != nil {
		l.problem(err)
		l.reopen(c)
	} else if l.measuring && !l.options.isLive() {
		now := time.Now()
		l.latency = append(l.latency, now.Sub(c.begun))
		l.firstToken = append(l.firstToken, c.first.Sub(c.begun))
	}
	l.done++
	if l.options.isLive() {
		c.finished = true
		return
	}
	l.idle = append(l.idle, c)
}

// judge: nothing but a whole answer with every piece of its text is a success.
func (l *load) judge(c *client) error {
	switch {
	case c.answer.status != 200:
		return fmt.Errorf("status %d: %.300q", c.answer.status, c.text.last())
	case !l.options.stream && c.text.count != 1:
		return fmt.Errorf("a plain answer without its text: %.300q", c.text.last())
	case !l.options.stream:
		return nil
	case c.text.count != l.options.mock.events:
		return fmt.Errorf("%d of %d pieces of text came: %.300q", c.text.count, l.options.mock.events, c.text.last())
	case !bytes.Contains(c.text.last(), terminators[api(l.options.api)]):
		return fmt.Errorf("a stream without its terminator: %.300q", c.text.last())
	}
	return nil
}
