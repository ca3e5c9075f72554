// Package smpptest is a small message centre for tests and the sandbox: it keeps what it
// was told to send, answers as it is told, and sends receipts and texts.
package smpptest

import (
	"bytes"
	"fmt"
	"net"
	"sync"

	"github.com/headwater-cdp/headwater/connectors/sms/smpp"
)

// Credentials of the centre, made up.
const (
	SystemID = "headwater"
	Password = "sandbox1"
)

// Silent as a status gives no answer at all; Hangup ends the connection instead.
const (
	Silent uint32 = 0xFFFFFFFF
	Hangup uint32 = 0xFFFFFFFE
)

// Centre is a message centre on this machine.
type Centre struct {
	listener net.Listener

	mu        sync.Mutex
	conns     map[net.Conn]*sync.Mutex // each with the lock of its writes
	messages  []smpp.Message
	statuses  []uint32
	enquiries int
	binds     int
	open      int // submits that were not answered yet
	mostOpen  int
	sequence  uint32
	replies   map[uint32]chan uint32
	hold      chan struct{}
	delivers  bool
}

// Delivers makes the centre report each message that asks for it as delivered, at once.
func (c *Centre) Delivers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delivers = true
}

// Start listens on a free port of the loopback.
func Start() (*Centre, error) { return Listen("127.0.0.1:0") }

// Listen is Start on another address.
func Listen(address string) (*Centre, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &Centre{listener: l, conns: map[net.Conn]*sync.Mutex{}, replies: map[uint32]chan uint32{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn)
		}
	}()
	return c, nil
}

// Address is where the centre listens.
func (c *Centre) Address() string { return c.listener.Addr().String() }

// Close ends the centre and every session.
func (c *Centre) Close() {
	c.listener.Close()
	c.Drop()
}

// Drop ends every session without a word.
func (c *Centre) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
}

// Answer says how the next submits are answered, one each; then they succeed again.
func (c *Centre) Answer(statuses ...uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses = append(c.statuses, statuses...)
}

// Hold keeps all submits without an answer until the function is called.
func (c *Centre) Hold() (release func()) {
	hold := make(chan struct{})
	c.mu.Lock()
	c.hold = hold
	c.mu.Unlock()
	return func() {
		c.mu.Lock()
		c.hold = nil
		c.mu.Unlock()
		close(hold)
	}
}

// Messages are the submits that succeeded; the id of the nth (from 1) is "m-n".
func (c *Centre) Messages() []smpp.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]smpp.Message(nil), c.messages...)
}

// Counts says how often somebody bound and enquired, and how many submits waited at
// most at once.
func (c *Centre) Counts() (binds, enquiries, mostOpen int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.binds, c.enquiries, c.mostOpen
}

// Deliver sends a message to who is bound, and returns the status of the answer.
func (c *Centre) Deliver(m smpp.Message) (uint32, error) {
	c.mu.Lock()
	c.sequence++
	sequence, reply := c.sequence, make(chan uint32, 1)
	c.replies[sequence] = reply
	var conn net.Conn
	var writing *sync.Mutex
	for conn, writing = range c.conns {
		break
	}
	c.mu.Unlock()
	if conn == nil {
		return 0, fmt.Errorf("nobody is bound")
	}
	send(conn, writing, smpp.PDU{Command: smpp.DeliverSM, Sequence: sequence, Body: m.Bytes()})
	return <-reply, nil
}

// Report sends a receipt in the usual form.
func (c *Centre) Report(id string, state smpp.State, code string) (uint32, error) {
	return c.Deliver(smpp.Message{
		Source: "393331234567", SourceTON: 1, SourceNPI: 1, Dest: "15550100100", ESMClass: 0x04,
		Short: []byte("id:" + id + " sub:001 dlvrd:001 submit date:2611220959 done date:2611221000 stat:" + string(state) + " err:" + code + " text:id:no stat:DELIVRD"),
	})
}

func send(conn net.Conn, writing *sync.Mutex, p smpp.PDU) {
	writing.Lock()
	defer writing.Unlock()
	_, _ = conn.Write(p.Bytes()) // the reader notices a lost connection
}

func (c *Centre) serve(conn net.Conn) {
	writing := &sync.Mutex{}
	defer func() {
		conn.Close()
		c.mu.Lock()
		delete(c.conns, conn)
		c.mu.Unlock()
	}()
	bound := false
	for {
		p, err := smpp.Read(conn)
		if err != nil {
			return
		}
		reply := smpp.PDU{Command: p.Command.Response(), Sequence: p.Sequence}
		switch p.Command {
		case smpp.BindTransceiver:
			fields := bytes.SplitN(p.Body, []byte{0}, 3)
			switch {
			case string(fields[0]) != SystemID:
				reply.Status = smpp.InvalidSystemID
			case string(fields[1]) != Password:
				reply.Status = smpp.InvalidPassword
			default:
				bound = true
				c.mu.Lock()
				c.binds++
				c.conns[conn] = writing
				c.mu.Unlock()
			}
			reply.Body = []byte("centre\x00")
		case smpp.EnquireLink:
			c.mu.Lock()
			c.enquiries++
			c.mu.Unlock()
		case smpp.SubmitSM:
			if !bound {
				return
			}
			go c.submit(conn, writing, p, reply)
			continue
		case smpp.QuerySM:
			id, _, _ := bytes.Cut(p.Body, []byte{0})
			reply.Body = append(append(id, 0, 0), 2, 0) // delivered, no date
		case smpp.Unbind:
			send(conn, writing, reply)
			return
		case smpp.DeliverSM.Response():
			c.mu.Lock()
			waiting := c.replies[p.Sequence]
			delete(c.replies, p.Sequence)
			c.mu.Unlock()
			if waiting != nil {
				waiting <- p.Status
			}
			continue
		default:
			reply.Command, reply.Status = smpp.GenericNack, smpp.InvalidCommand
		}
		send(conn, writing, reply)
	}
}

func (c *Centre) submit(conn net.Conn, writing *sync.Mutex, p, reply smpp.PDU) {
	m, err := smpp.ParseMessage(p.Body)
	c.mu.Lock()
	c.open++
	c.mostOpen = max(c.mostOpen, c.open)
	hold := c.hold
	c.mu.Unlock()
	if hold != nil {
		<-hold
	}
	c.mu.Lock()
	c.open--
	if len(c.statuses) > 0 {
		reply.Status, c.statuses = c.statuses[0], c.statuses[1:]
	} else if err != nil {
		reply.Status = smpp.SubmitFailed
	}
	if reply.Status == smpp.StatusOK || reply.Status >= Hangup {
		c.messages = append(c.messages, m)
		reply.Body = fmt.Appendf(nil, "m-%d\x00", len(c.messages))
	}
	report := c.delivers && m.Receipt&3 == 1 && reply.Status == smpp.StatusOK
	c.mu.Unlock()
	switch reply.Status {
	case Silent:
	case Hangup:
		conn.Close()
	default:
		send(conn, writing, reply)
	}
	if report {
		id, _, _ := bytes.Cut(reply.Body, []byte{0})
		_, _ = c.Report(string(id), "DELIVRD", "000") // who hung up meanwhile asks for it
	}
}
