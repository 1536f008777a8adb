package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"syscall"
	"time"
)

// The mock answers every inference path with what the prompt asks for (see spec), and every GET with enough for
// gateways that ask a provider how it is.

func mockMain(arguments []string) error {
	flags := flag.NewFlagSet("load mock", flag.ExitOnError)
	port := flags.Int("port", 0, "port on 127.0.0.1; 0 takes a free one")
	tls := flags.String("tls", "", "serve TLS, and write the certificate to this file")
	flags.Parse(arguments)
	go endWithInput()
	if *tls != "" {
		return serveTLS(*port, *tls)
	}
	return serve(*port)
}

// endWithInput ends the mock with whoever started it, however that ended.
func endWithInput() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// peer is one connection of a gateway.
type peer struct {
	fd      int
	in      []byte
	out     outbox
	playing *answer // a paced stream that is under way
	next    int     // index of its next event
	asked   spec
	closed  bool
}

type tick struct {
	due  time.Time
	peer *peer
	of   *answer
}

type mock struct {
	poll     *poller
	listener int
	peers    map[int]*peer
	book     book
	queues   map[int][]tick // paced streams by interval: within one, they are due in the order of the queue
	read     []byte
	scratch  []byte
}

func serve(port int) error {
	poll, err := newPoller()
	if err != nil {
		return err
	}
	listener, bound, err := listenOn(port)
	if err != nil {
		return err
	}
	if err := poll.add(listener, readable); err != nil {
		return err
	}
	say(object{"port": bound})
	m := &mock{poll: poll, listener: listener, peers: map[int]*peer{}, book: book{answers: map[string]*answer{}},
		queues: map[int][]tick{}, read: make([]byte, 256<<10)}
	for {
		events, err := poll.wait(m.untilNext())
		if err != nil {
			return err
		}
		for _, event := range events {
			m.ready(int(event.Fd), event.Events)
		}
		m.play(time.Now())
	}
}

func (m *mock) ready(fd int, what uint32) {
	if fd == m.listener {
		m.accept()
		return
	}
	p := m.peers[fd]
	if p == nil {
		return
	}
	if what&writable != 0 && len(p.out.pending) > 0 {
		waiting, err := p.out.flush(fd)
		m.after(p, waiting, err)
	}
	if what&^writable != 0 && !p.closed {
		m.receive(p)
	}
}

func (m *mock) accept() {
	for {
		fd, _, err := syscall.Accept4(m.listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		if prepare(fd) != nil || m.poll.add(fd, readable) != nil {
			syscall.Close(fd)
			continue
		}
		m.peers[fd] = &peer{fd: fd}
	}
}

func (m *mock) close(p *peer) {
	if !p.closed {
		p.closed = true
		delete(m.peers, p.fd)
		syscall.Close(p.fd)
	}
}

// after keeps the interest in writing as it is needed.
func (m *mock) after(p *peer, waiting bool, err error) {
	interest := uint32(readable)
	if waiting {
		interest |= writable
	}
	if err != nil || m.poll.change(p.fd, interest) != nil {
		m.close(p)
	}
}

func (m *mock) send(p *peer, data []byte) {
	if p.closed {
		return
	}
	before := len(p.out.pending) > 0
	if waiting, err := p.out.send(p.fd, data); err != nil || waiting != before {
		m.after(p, waiting, err)
	}
}

func (m *mock) receive(p *peer) {
	n, err := syscall.Read(p.fd, m.read)
	if err == syscall.EAGAIN {
		return
	}
	if n <= 0 || err != nil {
		m.close(p)
		return
	}
	data := m.read[:n]
	if len(p.in) > 0 {
		p.in = append(p.in, data...)
		data = p.in
	}
	for len(data) > 0 && !p.closed {
		asked, size, err := readRequest(data)
		if err != nil {
			m.close(p)
			return
		}
		if size == 0 {
			break
		}
		m.answer(p, asked)
		data = data[size:]
	}
	p.in = append(p.in[:0], data...)
}

func (m *mock) answer(p *peer, asked request) {
	now := time.Now()
	if bytes.EqualFold(field(asked.head, "expect"), []byte("100-continue")) {
		m.send(p, []byte("HTTP/1.1 100 Continue\r\n\r\n"))
	}
	found, wanted := m.book.find(asked)
	switch {
	case found == nil:
		m.send(p, other(asked).data)
	case wanted.cut != 0:
		m.scratch = found.whole.stamped(m.scratch[:0], now.UnixNano())
		m.send(p, m.scratch[:len(m.scratch)*3/4])
		m.close(p)
	case wanted.interval == 0:
		m.scratch = found.whole.stamped(m.scratch[:0], now.UnixNano())
		m.send(p, m.scratch)
	default:
		m.begin(p, found, wanted, now)
	}
}

func (m *mock) begin(p *peer, found *answer, wanted spec, now time.Time) {
	p.playing, p.next, p.asked = found, 0, wanted
	m.scratch = found.first.stamped(m.scratch[:0], now.UnixNano())
	if len(found.event) > 0 {
		m.scratch = found.event[0].stamped(m.scratch, now.UnixNano())
		p.next = 1
	}
	m.send(p, m.scratch)
	m.enqueue(p, now)
}

func (m *mock) enqueue(p *peer, after time.Time) {
	interval := p.asked.interval
	due := after.Add(time.Duration(interval) * time.Microsecond)
	m.queues[interval] = append(m.queues[interval], tick{due, p, p.playing})
}

func (m *mock) untilNext() time.Duration {
	longest := forever
	for _, queue := range m.queues {
		if len(queue) > 0 {
			if left := max(0, time.Until(queue[0].due)); longest == forever || left < longest {
				longest = left
			}
		}
	}
	return longest
}

// play sends every event that is due.
func (m *mock) play(now time.Time) {
	for interval, queue := range m.queues {
		for len(m.queues[interval]) > 0 && !m.queues[interval][0].due.After(now) {
			next := m.queues[interval][0]
			m.queues[interval] = m.queues[interval][1:]
			if p := next.peer; !p.closed && p.playing == next.of {
				m.event(p, next.due, now)
			}
		}
		if len(m.queues[interval]) == 0 && cap(queue) > 0 {
			delete(m.queues, interval)
		}
	}
}

func (m *mock) event(p *peer, due, now time.Time) {
	playing := p.playing
	if p.next < len(playing.event) {
		m.scratch = playing.event[p.next].stamped(m.scratch[:0], now.UnixNano())
		p.next++
		m.send(p, m.scratch)
		m.enqueue(p, due)
		return
	}
	p.playing = nil
	m.send(p, playing.end.stamped(m.scratch[:0], now.UnixNano()))
}
