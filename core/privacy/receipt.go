package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// ReceiptFormat is the first line of a receipt's text.
const ReceiptFormat = "headwater erasure receipt v1"

// Statement is what a receipt states, the second line of its text. People are
// pseudonyms.
type Statement struct {
	Workspace    string        `json:"workspace"`
	Request      string        `json:"request"`
	Status       RequestStatus `json:"status"`
	Subject      string        `json:"subject"`
	RequestedBy  string        `json:"requestedBy"`
	ReceivedAt   time.Time     `json:"receivedAt"`
	ErasedAt     time.Time     `json:"erasedAt"`
	CompletedAt  time.Time     `json:"completedAt"`
	Deleted      []stated      `json:"deleted"`
	Anonymised   bool          `json:"anonymised,omitempty"` // what was nobody's of it was kept
	Destinations []statedTask  `json:"destinations"`
	Retained     []Retained    `json:"retained"`
}

type stated struct {
	Collection string `json:"collection"`
	Documents  int64  `json:"documents"`
}

type statedTask struct {
	Target   string     `json:"target"`
	Status   string     `json:"status"`
	Evidence string     `json:"evidence,omitempty"`
	At       *time.Time `json:"at,omitempty"`
}

// signerName is the name of the key that signs receipts.
const signerName = "receipts"

func (s *Service) sign(ctx context.Context, r *Request) (*ErasureReceipt, error) {
	by, err := s.o.Keys.Pseudonym(ctx, r.Workspace(), "actor", r.RequestedBy)
	if err != nil {
		return nil, err
	}
	st := Statement{
		Workspace: r.Workspace(), Request: r.RequestID(), Status: r.Status, Subject: r.Subject, RequestedBy: by,
		ReceivedAt: r.ReceivedAt, ErasedAt: *r.ErasedAt, CompletedAt: *r.CompletedAt,
		Deleted: []stated{}, Destinations: []statedTask{}, Retained: s.retained(*r.CompletedAt, r.Anonymise), Anonymised: r.Anonymise,
	}
	for _, c := range r.Counts {
		st.Deleted = append(st.Deleted, stated(c))
	}
	receipt := &ErasureReceipt{Retained: st.Retained}
	for _, t := range r.Tasks {
		if slices.Contains([]string{targetHere, targetFiles, targetJobs, targetHold}, t.Target) {
			continue
		}
		receipt.Destinations = append(receipt.Destinations, t)
		st.Destinations = append(st.Destinations, statedTask{t.Target, string(t.Status), t.Evidence, t.At})
	}
	body, err := json.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("privacy: encode receipt: %w", err)
	}
	signer, err := s.o.Keys.Signer(ctx, r.Workspace(), signerName)
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: ReceiptFormat + "\n" + string(body) + "\n"}, signer)
	if err != nil {
		return nil, fmt.Errorf("privacy: sign receipt: %w", err)
	}
	receipt.SignedNote, receipt.KeyID = string(signed), fmt.Sprintf("%s+%08x", signer.Name(), signer.KeyHash())
	return receipt, nil
}

// retained lists what an erasure does not reach.
func (s *Service) retained(at time.Time, anonymise bool) []Retained {
	out := []Retained{{
		Where: "backups", What: "what backups that were made before the erasure hold, until they are deleted; `headwater privacy reapply` erases again after one is restored",
	}, {
		Where: "tombstones", What: "a keyed hash of each identifier, which keeps older events out",
	}, {
		Where: "audit log", What: "pseudonyms, for as long as the log is kept",
	}}
	if anonymise {
		out = append(out, Retained{
			Where: "anonymous rows", What: "for each event and record its day, its name and what it said that is nobody's, under keys of chance",
		})
	}
	if engine, ok := s.o.Store.(store.Remainer); ok {
		for _, r := range engine.Remains() {
			e := Retained{Where: r.Where, What: r.What}
			if r.For > 0 {
				until := at.Add(r.For)
				e.Until = &until
			}
			out = append(out, e)
		}
	}
	return out
}

// VerifyReceipt checks a signed note against a verifier's key, as `headwater audit
// pubkey` prints it, and returns what it states. It needs no store. INVALID, reason
// RECEIPT, for anything that the key has not signed.
func VerifyReceipt(signed []byte, vkey string) (*Statement, error) {
	bad := func(err error) error {
		return core.Errorf(core.Invalid, "RECEIPT", "this is no receipt that the key has signed").Wrap(err)
	}
	v, err := note.NewVerifier(strings.TrimSpace(vkey))
	if err != nil {
		return nil, core.Errorf(core.Invalid, "KEY", "the key is not one of a verifier: name+hash+key").Wrap(err)
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return nil, bad(err)
	}
	first, body, ok := strings.Cut(n.Text, "\n")
	if !ok || first != ReceiptFormat {
		return nil, bad(errors.New("privacy: another format"))
	}
	var st Statement
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		return nil, bad(err)
	}
	return &st, nil
}
