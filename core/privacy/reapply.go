package privacy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// listed is a line of an exported list of erasures: an id of an erased profile, or the
// keyed hash of an identifier.
type listed struct {
	Profile  string    `json:"profile,omitempty"`
	Hash     string    `json:"hash,omitempty"`
	ErasedAt time.Time `json:"erasedAt"`
	Request  string    `json:"request,omitempty"`

	Anonymised bool `json:"anonymised,omitempty"` // of a profile: what is nobody's is kept again
}

// ExportErasures writes who was erased in a workspace, a line of JSON each: ids that
// mean nothing any more and keyed hashes. Kept outside of the store it tells, after a
// backup was restored, whom to erase again. It returns how many lines it wrote.
func (s *Service) ExportErasures(ctx context.Context, ws string, w io.Writer) (int, error) {
	if err := s.allow(ctx); err != nil {
		return 0, err
	}
	enc, n := json.NewEncoder(w), 0
	write := func(l listed) error {
		n++
		return enc.Encode(l)
	}
	err := profile.Erasures.Each(ctx, s.o.Store, store.Query{Workspace: ws}, func(e *profile.Erased) error {
		return write(listed{Profile: store.Rest(e.ID), ErasedAt: e.At, Request: e.Request, Anonymised: e.Anonymised})
	})
	if err == nil {
		err = Tombstones.Each(ctx, s.o.Store, store.Query{Workspace: ws}, func(t *Tombstone) error {
			if store.Rest(t.ID) == latest {
				return nil
			}
			return write(listed{Hash: store.Rest(t.ID), ErasedAt: t.ErasedAt, Request: t.Request})
		})
	}
	return n, outward(err)
}

// Reapplied is what became of a list of erasures.
type Reapplied struct {
	Lines    int      // read
	Requests []string // dsr_… that were begun anew
}

// Reapply erases again whom a list names, in a store that a backup was restored into.
// A person whom a legal hold of the backup protects is parked, as by Erase.
func (s *Service) Reapply(ctx context.Context, ws string, r io.Reader) (*Reapplied, error) {
	if err := s.allow(ctx); err != nil {
		return nil, err
	}
	out := &Reapplied{}
	hashes, anonymous := map[string]time.Time{}, map[string]bool{}
	var parts []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l listed
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return out, core.Errorf(core.Invalid, "LIST", "line %d is not one of an exported list of erasures", out.Lines+1).Wrap(err)
		}
		out.Lines++
		if l.Profile != "" {
			parts = append(parts, l.Profile)
			anonymous[l.Profile] = l.Anonymised
		}
		if l.Hash != "" {
			hashes[l.Hash] = l.ErasedAt
		}
	}
	if err := lines.Err(); err != nil {
		return out, fmt.Errorf("privacy: read the list: %w", err)
	}
	for hash, at := range hashes {
		if err := s.retry(ctx, func() error {
			ops, err := s.raise(ctx, []string{store.Key(ws, hash), store.Key(ws, latest)}, "", at)
			if err != nil || len(ops) == 0 {
				return err
			}
			return s.commit(ctx, ws, "erasure.reapply", "tombstone", "", nil, ops...)
		}); err != nil {
			return out, err
		}
	}
	// Identifiers that the backup brought back, of people whose ids are not listed.
	err := profile.Identifiers.Each(ctx, s.o.Store, store.Query{Workspace: ws}, func(doc *profile.Identifier) error {
		keys, err := s.tombstoneKeys(ctx, ws, []event.Identifier{profile.IdentifierOf(doc)})
		if err != nil {
			return err
		}
		if at, ok := hashes[store.Rest(keys[0])]; ok && doc.At.Before(at) {
			parts = append(parts, doc.Part)
		}
		return nil
	})
	if err != nil {
		return out, outward(err)
	}
	for _, part := range parts {
		done, err := s.Erase(ctx, ws, EraseInput{ProfileID: part, Reason: "erased before the backup was restored", Anonymise: anonymous[part]})
		if core.CodeOf(err) == core.NotFound {
			continue // it is not there, or went with another of its ids
		}
		if err != nil {
			return out, err
		}
		out.Requests = append(out.Requests, done.Request.RequestID())
	}
	return out, nil
}

// Wait waits until a request is over, or parked.
func (s *Service) Wait(ctx context.Context, ws, id string) error {
	for {
		r, err := Requests.Get(ctx, s.o.Store, store.Key(ws, id))
		if err != nil {
			return outward(err)
		}
		if r == nil || r.Status.Final() || r.Status == Received {
			return nil
		}
		if err := s.o.Clock.Sleep(ctx, 200*time.Millisecond); err != nil {
			return core.AsError(err)
		}
	}
}
