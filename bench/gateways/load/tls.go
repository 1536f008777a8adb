package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// serveTLS is the mock behind TLS, one goroutine per connection: it is used where memory is measured, not speed. The
// certificate is made anew, signs itself, and is valid for 127.0.0.1.
func serveTLS(port int, certificateFile string) error {
	certificate, encoded, err := selfSigned()
	if err != nil {
		return err
	}
	if err := os.WriteFile(certificateFile, encoded, 0o600); err != nil {
		return err
	}
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return err
	}
	say(object{"port": listener.Addr().(*net.TCPAddr).Port})
	settings := &tls.Config{Certificates: []tls.Certificate{certificate}}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go converse(tls.Server(connection, settings))
	}
}

func selfSigned() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "bench"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"localhost"},
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:         true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}, encoded, nil
}

func converse(connection net.Conn) {
	defer connection.Close()
	pages := book{answers: map[string]*answer{}}
	var data []byte
	part := make([]byte, 32<<10)
	for {
		n, err := connection.Read(part)
		if err != nil {
			return
		}
		data = append(data, part[:n]...)
		for {
			asked, size, err := readRequest(data)
			if err != nil {
				return
			}
			if size == 0 {
				break
			}
			if tell(connection, &pages, asked) != nil {
				return
			}
			data = data[:copy(data, data[size:])]
		}
	}
}

// tell sends the whole answer, paced by sleeping.
func tell(connection net.Conn, pages *book, asked request) error {
	found, wanted := pages.find(asked)
	if found == nil {
		_, err := connection.Write(other(asked).data)
		return err
	}
	if wanted.interval == 0 {
		_, err := connection.Write(found.whole.stamped(nil, time.Now().UnixNano()))
		return err
	}
	buffer := found.first.stamped(nil, time.Now().UnixNano())
	for _, event := range found.event {
		buffer = event.stamped(buffer, time.Now().UnixNano())
		if _, err := connection.Write(buffer); err != nil {
			return err
		}
		buffer = buffer[:0]
		time.Sleep(time.Duration(wanted.interval) * time.Microsecond)
	}
	_, err := connection.Write(found.end.stamped(buffer, time.Now().UnixNano()))
	return err
}
