package profile

import (
	"context"
	"fmt"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// maxReads bounds how often a read starts again because a profile was merged
// between two of its steps.
const maxReads = 8

// load reads the parts of the identifiers and the profiles of those parts and of
// the given ones.
func (u *Unit) load(ctx context.Context, keys, parts []string) error {
	for attempt := range maxReads {
		found, err := u.lookup(ctx, keys)
		if err != nil {
			return err
		}
		missing, err := u.loadProfiles(ctx, append(found, parts...))
		if err != nil {
			return err
		}
		// A part that is gone was erased: what was remembered about its identifiers
		// is no longer true. Nor is it when the profile does not list the identifier: it
		// was released, or given back since the profile was read.
		again := false
		for _, key := range keys {
			part, ok := u.ids[key]
			if !ok {
				continue
			}
			erased := slices.Contains(missing, part)
			if !erased && (u.lists(part, key) || attempt == maxReads-1) {
				continue
			}
			u.s.ids.Remove(key)
			delete(u.ids, key)
			if again = true; !erased && u.slots[u.partOf[part]] != nil {
				u.evict(u.partOf[part])
			}
		}
		if len(missing) > 0 && again {
			if err := u.free(ctx, keys, missing); err != nil {
				return err
			}
		}
		if !again {
			return nil
		}
	}
	return core.Errorf(core.Internal, "INTERNAL", "internal error").Wrap(fmt.Errorf("profile: an identifier belongs to a part that does not exist"))
}

// lists reports whether the profile of a part lists the identifier of a key.
func (u *Unit) lists(part, key string) bool {
	p := u.profile(part)
	if p == nil {
		return false
	}
	id := identifierOf(key)
	_, found := slices.BinarySearchFunc(p.Identifiers, Held{Namespace: id.Namespace, Value: id.Value}, compareHeld)
	return found
}

// free takes identifiers out of the hands of erased parts whose documents the sweep
// has not come to: they are nobody's, and who takes one writes over its document.
func (u *Unit) free(ctx context.Context, keys, missing []string) error {
	marks, err := Erasures.GetMany(ctx, u.s.db, keysOf(u.ws, missing))
	if err != nil {
		return err
	}
	erased := map[string]bool{}
	for i, m := range marks {
		erased[missing[i]] = m != nil
	}
	for chunk := range slices.Chunk(keys, maxGet) {
		docs, err := Identifiers.GetMany(ctx, u.s.db, chunk)
		if err != nil {
			return err
		}
		for i, doc := range docs {
			if doc != nil && erased[doc.Part] {
				if u.freed == nil {
					u.freed = map[string]*Identifier{}
				}
				u.freed[chunk[i]] = doc
			}
		}
	}
	return nil
}

// lookup fills in the parts of the identifiers, from memory or from the store, and
// returns the parts.
func (u *Unit) lookup(ctx context.Context, keys []string) ([]string, error) {
	var parts, ask []string
	for _, key := range keys {
		if u.freed[key] != nil {
			continue
		}
		if part, ok := u.s.ids.Get(key); ok {
			u.ids[key] = part
			parts = append(parts, part)
		} else {
			ask = append(ask, key)
		}
	}
	u.looked = u.looked || len(ask) > 0
	for chunk := range slices.Chunk(ask, maxGet) {
		docs, err := Identifiers.GetMany(ctx, u.s.db, chunk)
		if err != nil {
			return nil, err
		}
		for i, doc := range docs {
			if doc != nil {
				u.ids[chunk[i]] = doc.Part
				u.s.ids.Add(chunk[i], doc.Part)
				parts = append(parts, doc.Part)
			}
		}
	}
	return parts, nil
}

// loadProfiles reads the profiles of the parts. The profile that a part belongs to
// is guessed: from memory, else the part's own id, which is right unless it was
// merged. A profile that lists the part proves the guess; else the part's document
// says. Parts that do not exist are returned.
func (u *Unit) loadProfiles(ctx context.Context, parts []string) (missing []string, err error) {
	want := u.unknown(parts)
	if len(want) == 0 {
		return nil, nil
	}
	guess := make(map[string]bool, len(want))
	for _, part := range want {
		id := part
		if hinted, ok := u.s.hints.Get(store.Key(u.ws, part)); ok {
			id = hinted
		}
		guess[id] = true
	}
	if err := u.readProfiles(ctx, guess); err != nil {
		return nil, err
	}
	for attempt := range maxReads {
		want = slices.DeleteFunc(u.unknown(parts), func(p string) bool { return slices.Contains(missing, p) })
		if len(want) == 0 {
			return missing, nil
		}
		said := make(map[string]bool, len(want))
		var stuck string
		err := u.eachPart(ctx, want, func(part string, doc *Part) {
			if doc == nil {
				missing = append(missing, part)
				return
			}
			u.s.hint(u.ws, part, doc.Profile)
			if u.slots[doc.Profile] != nil {
				u.evict(doc.Profile) // it was read before the part joined it
			}
			if said[doc.Profile] = true; stuck == "" {
				stuck = part
			}
		})
		if err != nil {
			return nil, err
		}
		if err := u.readProfiles(ctx, said); err != nil {
			return nil, err
		}
		if stuck != "" && attempt >= 2 && u.profile(stuck) == nil {
			// Twice the part's document named a profile that is not there: the derived
			// documents were thrown away, or are being rebuilt. Fold it.
			erased, err := Erasures.Get(ctx, u.s.db, store.Key(u.ws, stuck))
			if err != nil {
				return nil, err
			}
			if erased != nil { // or they are being swept
				missing = append(missing, stuck)
				continue
			}
			p, err := u.s.refoldPart(ctx, u.ws, stuck, nil)
			if err != nil {
				return nil, err
			}
			u.place(p)
			if sl := u.slots[p.ProfileID()]; sl != nil {
				sl.stored = nil
			}
		}
	}
	return nil, core.Errorf(core.Unavailable, "BUSY", "the profiles change too often to be read just now; try again")
}

// unknown returns the parts whose profile is not loaded, each once.
func (u *Unit) unknown(parts []string) []string {
	var out []string
	seen := make(map[string]bool, len(parts))
	for _, part := range parts {
		if _, ok := u.partOf[part]; !ok && !seen[part] {
			seen[part] = true
			out = append(out, part)
		}
	}
	return out
}

func (u *Unit) readProfiles(ctx context.Context, ids map[string]bool) error {
	keys := make([]string, 0, len(ids))
	for id := range ids {
		if u.slots[id] == nil {
			keys = append(keys, store.Key(u.ws, id))
		}
	}
	slices.Sort(keys)
	for chunk := range slices.Chunk(keys, maxGet) {
		docs, err := Profiles.GetMany(ctx, u.s.db, chunk)
		if err != nil {
			return err
		}
		for _, p := range docs {
			if p != nil {
				u.place(p)
			}
		}
	}
	return nil
}

// place takes a profile into the working set. Two profiles that list one part were
// read before and after a merge: neither is taken, so that both are read again.
func (u *Unit) place(p *Profile) {
	id := p.ProfileID()
	torn := false
	for _, part := range p.Parts {
		if other, ok := u.partOf[part]; ok && other != id {
			u.evict(other)
			torn = true
		}
	}
	if torn {
		return
	}
	u.slots[id] = &slot{stored: p, before: p, now: p}
	for _, part := range p.Parts {
		u.partOf[part] = id
	}
}

func (u *Unit) evict(id string) {
	for _, part := range u.slots[id].now.Parts {
		delete(u.partOf, part)
	}
	delete(u.slots, id)
}

func (u *Unit) eachPart(ctx context.Context, parts []string, f func(part string, doc *Part)) error {
	for chunk := range slices.Chunk(parts, maxGet) {
		keys := make([]string, len(chunk))
		for i, part := range chunk {
			keys[i] = store.Key(u.ws, part)
		}
		docs, err := Parts.GetMany(ctx, u.s.db, keys)
		if err != nil {
			return err
		}
		for i, doc := range docs {
			f(chunk[i], doc)
		}
	}
	return nil
}

// loadParts reads the documents of parts that may move to another profile.
func (u *Unit) loadParts(ctx context.Context, parts []string) error {
	slices.Sort(parts)
	return u.eachPart(ctx, slices.Compact(parts), func(part string, doc *Part) {
		if doc != nil {
			u.partDocs[part] = doc
		}
	})
}
