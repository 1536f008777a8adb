package main

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"
)

const (
	readable      = syscall.EPOLLIN
	writable      = syscall.EPOLLOUT
	sysEpollWait2 = 441 // epoll_pwait2, the same number on every architecture: nanoseconds instead of milliseconds
	forever       = time.Duration(-1)
)

// poller is a level-triggered epoll instance. Only one goroutine uses it.
type poller struct {
	fd     int
	events [512]syscall.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	return &poller{fd: fd}, err
}

func (p *poller) add(fd int, interest uint32) error {
	return syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: interest, Fd: int32(fd)})
}

func (p *poller) change(fd int, interest uint32) error {
	return syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_MOD, fd, &syscall.EpollEvent{Events: interest, Fd: int32(fd)})
}

// wait returns what is ready within `longest`; nothing when the time is over.
func (p *poller) wait(longest time.Duration) ([]syscall.EpollEvent, error) {
	var limit *syscall.Timespec
	if longest >= 0 {
		spec := syscall.NsecToTimespec(int64(longest))
		limit = &spec
	}
	n, _, code := syscall.Syscall6(sysEpollWait2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), uintptr(unsafe.Pointer(limit)), 0, 0)
	if code == syscall.EINTR {
		return nil, nil
	}
	if code != 0 {
		return nil, fmt.Errorf("epoll_pwait2 (Linux 5.11 and newer have it): %w", code)
	}
	return p.events[:n], nil
}

// listenOn opens a listening socket on loopback; port 0 takes a free one. It returns the port.
func listenOn(port int) (fd, bound int, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, 0, err
	}
	if err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, 0, err
	}
	if err = syscall.Listen(fd, 4096); err != nil {
		return 0, 0, err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, 0, err
	}
	return fd, name.(*syscall.SockaddrInet4).Port, nil
}

// dial connects to an IPv4 address; blocking, then non-blocking.
func dial(address netip.AddrPort) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}); err != nil {
		syscall.Close(fd)
		return 0, err
	}
	return fd, prepare(fd)
}

func prepare(fd int) error {
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return err
	}
	return syscall.SetNonblock(fd, true)
}

// outbox sends bytes on a non-blocking socket and keeps what the kernel does not take.
type outbox struct {
	pending []byte
}

const mostPending = 64 << 20

// send writes, or queues behind what waits already. It says whether something waits afterwards.
func (o *outbox) send(fd int, data []byte) (waiting bool, err error) {
	if len(o.pending) == 0 {
		n, err := syscall.Write(fd, data)
		if err != nil && err != syscall.EAGAIN {
			return false, err
		}
		data = data[max(n, 0):]
	}
	if len(o.pending)+len(data) > mostPending {
		return false, errors.New("the other side reads too slowly")
	}
	o.pending = append(o.pending, data...)
	return len(o.pending) > 0, nil
}

// flush goes on with what waits.
func (o *outbox) flush(fd int) (waiting bool, err error) {
	n, err := syscall.Write(fd, o.pending)
	if err != nil && err != syscall.EAGAIN {
		return false, err
	}
	o.pending = o.pending[:copy(o.pending, o.pending[max(n, 0):])]
	return len(o.pending) > 0, nil
}
