package smpp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Command is the kind of a PDU; a response has the highest bit set.
type Command uint32

// The commands that are used here (SMPP 3.4, 5.1.2.1).
const (
	GenericNack     Command = 0x80000000
	QuerySM         Command = 0x00000003
	SubmitSM        Command = 0x00000004
	DeliverSM       Command = 0x00000005
	Unbind          Command = 0x00000006
	BindTransceiver Command = 0x00000009
	EnquireLink     Command = 0x00000015
	response        Command = 0x80000000
)

// Response is the command that answers this one.
func (c Command) Response() Command { return c | response }

// Statuses that are acted on (5.1.3).
const (
	StatusOK        uint32 = 0x00
	InvalidCommand  uint32 = 0x03
	AlreadyBound    uint32 = 0x05
	InvalidSource   uint32 = 0x0A
	InvalidDest     uint32 = 0x0B
	BindFailed      uint32 = 0x0D
	InvalidPassword uint32 = 0x0E
	InvalidSystemID uint32 = 0x0F
	QueueFull       uint32 = 0x14
	SubmitFailed    uint32 = 0x45
	Throttled       uint32 = 0x58
	TemporaryError  uint32 = 0x64 // of an application: send it again
	QueryFailed     uint32 = 0x67
)

// PDU is one unit of the protocol: its header, and the rest as it is.
type PDU struct {
	Command  Command
	Status   uint32
	Sequence uint32
	Body     []byte
}

const (
	headerSize = 16
	maxPDU     = 64 << 10
)

// Read reads one PDU. A length that makes no sense is an error: what follows could not
// be told apart any more.
func Read(r io.Reader) (PDU, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return PDU{}, err
	}
	n := binary.BigEndian.Uint32(h[:])
	if n < headerSize || n > maxPDU {
		return PDU{}, fmt.Errorf("a PDU of %d bytes", n)
	}
	p := PDU{
		Command: Command(binary.BigEndian.Uint32(h[4:])), Status: binary.BigEndian.Uint32(h[8:]), Sequence: binary.BigEndian.Uint32(h[12:]),
		Body: make([]byte, n-headerSize),
	}
	_, err := io.ReadFull(r, p.Body)
	return p, err
}

// Bytes is the PDU as it goes over the wire.
func (p PDU) Bytes() []byte {
	b := make([]byte, headerSize, headerSize+len(p.Body))
	binary.BigEndian.PutUint32(b, uint32(headerSize+len(p.Body)))
	binary.BigEndian.PutUint32(b[4:], uint32(p.Command))
	binary.BigEndian.PutUint32(b[8:], p.Status)
	binary.BigEndian.PutUint32(b[12:], p.Sequence)
	return append(b, p.Body...)
}

// TLV tags that are read (5.3.2).
const (
	TagReceiptedMessageID uint16 = 0x001E
	TagMessagePayload     uint16 = 0x0424
	TagMessageState       uint16 = 0x0427
)

// Bits of Message.ESMClass (5.2.12).
const (
	esmReceipt byte = 0x04 // in deliver_sm
	esmTypes   byte = 0x3C
	esmUDH     byte = 0x40
)

// Codings of Message.DataCoding (5.2.19).
const (
	CodingDefault byte = 0x00
	CodingASCII   byte = 0x01
	CodingLatin1  byte = 0x03
	CodingUCS2    byte = 0x08
)

// Message is the body of submit_sm and of deliver_sm, which have the same form.
type Message struct {
	ServiceType          string
	SourceTON, SourceNPI byte
	Source               string
	DestTON, DestNPI     byte
	Dest                 string
	ESMClass             byte
	ProtocolID, Priority byte
	Schedule, Validity   string
	Receipt              byte // registered_delivery: 1 asks for a receipt
	Replace              byte
	DataCoding           byte
	Default              byte
	Short                []byte // at most 254; the UDH first where ESMClass says so
	TLVs                 map[uint16][]byte
}

// Bytes is the body as it goes over the wire.
func (m Message) Bytes() []byte {
	var b bytes.Buffer
	text := func(s string) { b.WriteString(s); b.WriteByte(0) }
	text(m.ServiceType)
	b.Write([]byte{m.SourceTON, m.SourceNPI})
	text(m.Source)
	b.Write([]byte{m.DestTON, m.DestNPI})
	text(m.Dest)
	b.Write([]byte{m.ESMClass, m.ProtocolID, m.Priority})
	text(m.Schedule)
	text(m.Validity)
	b.Write([]byte{m.Receipt, m.Replace, m.DataCoding, m.Default, byte(len(m.Short))})
	b.Write(m.Short)
	for tag, value := range m.TLVs {
		_ = binary.Write(&b, binary.BigEndian, [2]uint16{tag, uint16(len(value))}) // into memory: cannot fail
		b.Write(value)
	}
	return b.Bytes()
}

var errShort = errors.New("a PDU that ends too early")

// reader takes a body apart; after the first lack everything is empty.
type reader struct {
	b   []byte
	err error
}

func (r *reader) text() string {
	i := bytes.IndexByte(r.b, 0)
	if i < 0 {
		r.b, r.err = nil, errShort
		return ""
	}
	s := string(r.b[:i])
	r.b = r.b[i+1:]
	return s
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.err = nil, errShort
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) octet() byte { return r.take(1)[0] }

// ParseMessage reads a body.
func ParseMessage(body []byte) (Message, error) {
	r := &reader{b: body}
	m := Message{ServiceType: r.text()}
	m.SourceTON, m.SourceNPI, m.Source = r.octet(), r.octet(), r.text()
	m.DestTON, m.DestNPI, m.Dest = r.octet(), r.octet(), r.text()
	m.ESMClass, m.ProtocolID, m.Priority = r.octet(), r.octet(), r.octet()
	m.Schedule, m.Validity = r.text(), r.text()
	m.Receipt, m.Replace, m.DataCoding, m.Default = r.octet(), r.octet(), r.octet(), r.octet()
	m.Short = bytes.Clone(r.take(int(r.octet())))
	for len(r.b) > 0 && r.err == nil {
		tag := binary.BigEndian.Uint16(r.take(2))
		value := bytes.Clone(r.take(int(binary.BigEndian.Uint16(r.take(2)))))
		if r.err == nil {
			if m.TLVs == nil {
				m.TLVs = map[uint16][]byte{}
			}
			m.TLVs[tag] = value
		}
	}
	return m, r.err
}

// bind is the body of bind_transceiver.
func bind(systemID, password, systemType string) []byte {
	var b bytes.Buffer
	for _, s := range []string{systemID, password, systemType} {
		b.WriteString(s)
		b.WriteByte(0)
	}
	b.Write([]byte{0x34, 0, 0, 0}) // version 3.4; no range of addresses
	return b.Bytes()
}
