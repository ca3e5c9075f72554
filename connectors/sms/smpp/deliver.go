package smpp

import (
	"bytes"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/connectors/sms/segment"
)

// State is what became of a message, as receipts spell it.
type State string

// The states (5.2.28 and appendix B).
const (
	Enroute       State = "ENROUTE"
	Delivered     State = "DELIVRD"
	Expired       State = "EXPIRED"
	Deleted       State = "DELETED"
	Undeliverable State = "UNDELIV"
	AcceptedState State = "ACCEPTD"
	Unknown       State = "UNKNOWN"
	Rejected      State = "REJECTD"
)

var states = map[byte]State{
	1: Enroute, 2: Delivered, 3: Expired, 4: Deleted, 5: Undeliverable, 6: AcceptedState, 7: Unknown, 8: Rejected,
}

// Receipt is a report of the centre on a message.
type Receipt struct {
	ID    string
	State State
	Code  string // the network's error, "000" for none
	At    time.Time
}

// There is no standard for the text of a receipt, but nearly all look like appendix B:
// "id:… sub:001 dlvrd:001 submit date:… done date:YYMMDDhhmm stat:DELIVRD err:000 text:…".
var (
	receiptID   = regexp.MustCompile(`(?i)\bid:([^ ]+)`)
	receiptStat = regexp.MustCompile(`(?i)\bstat:([A-Z]+)`)
	receiptErr  = regexp.MustCompile(`(?i)\berr:([0-9A-Za-z]+)`)
	receiptDone = regexp.MustCompile(`(?i)\bdone date:(\d{10,12})`)
)

// AsReceipt reads a receipt; false when the message is none.
func (m Message) AsReceipt() (Receipt, bool) {
	if m.ESMClass&esmTypes != esmReceipt {
		return Receipt{}, false
	}
	text := string(m.Short)
	if payload := m.TLVs[TagMessagePayload]; len(text) == 0 {
		text = string(payload)
	}
	head, _, _ := strings.Cut(text, " text:") // what follows is a person's
	find := func(form *regexp.Regexp) string {
		if found := form.FindStringSubmatch(head); found != nil {
			return found[1]
		}
		return ""
	}
	r := Receipt{ID: find(receiptID), State: State(strings.ToUpper(find(receiptStat))), Code: find(receiptErr)}
	if done := find(receiptDone); done != "" {
		if at, err := time.Parse("060102150405"[:len(done)], done); err == nil {
			r.At = at
		}
	}
	if id := m.TLVs[TagReceiptedMessageID]; len(id) > 0 {
		r.ID = string(bytes.TrimRight(id, "\x00"))
	}
	if state := m.TLVs[TagMessageState]; len(state) == 1 && states[state[0]] != "" {
		r.State = states[state[0]]
	}
	return r, r.ID != "" && r.State != ""
}

// Text is what a person wrote, and the part it is of a longer text.
func (m Message) Text() (text string, part Part) {
	raw := m.Short
	if payload := m.TLVs[TagMessagePayload]; len(raw) == 0 {
		raw = payload
	}
	part = Part{Number: 1, Of: 1}
	if m.ESMClass&esmUDH != 0 && len(raw) > 0 && int(raw[0]) < len(raw) {
		part = partOf(raw[1 : 1+int(raw[0])])
		raw = raw[1+int(raw[0]):]
	}
	switch m.DataCoding {
	case CodingUCS2:
		return segment.Decode(raw, segment.UCS2), part
	case CodingLatin1:
		runes := make([]rune, len(raw))
		for i, b := range raw {
			runes[i] = rune(b)
		}
		return string(runes), part
	case CodingASCII:
		return strings.ToValidUTF8(string(raw), string(utf8.RuneError)), part
	}
	return segment.Decode(raw, segment.GSM7), part
}

// Part is the place of a message in a longer text.
type Part struct {
	Reference  int
	Number, Of int
}

// partOf reads a user data header: elements of an octet each of kind and length.
func partOf(header []byte) Part {
	for len(header) >= 2 && len(header) >= 2+int(header[1]) {
		value := header[2 : 2+int(header[1])]
		switch {
		case header[0] == 0x00 && len(value) == 3:
			return Part{int(value[0]), int(value[2]), int(value[1])}
		case header[0] == 0x08 && len(value) == 4:
			return Part{int(value[0])<<8 | int(value[1]), int(value[3]), int(value[2])}
		}
		header = header[2+len(value):]
	}
	return Part{Number: 1, Of: 1}
}
