package segment

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// wanted says which registers of a profile a condition can look at.
type wanted struct {
	traits   []string // paths
	end      string   // no register from here on, in the order of paths, is wanted
	consents bool
	whole    bool // everything: identifiers and parts are asked for too
}

func wantedBy(needs *condition.Needs, whole bool) wanted {
	w := wanted{traits: needs.Traits, consents: len(needs.Consents) > 0, whole: whole}
	if needs.Zone {
		w.traits = append(append([]string{}, w.traits...), zoneTraits...)
	}
	for _, t := range w.traits {
		w.end = max(w.end, t+"/") // which is the first after those below t
	}
	return w
}

// read decodes what is wanted of a stored profile into p, whose memory it takes again.
// Of one that is not wanted whole, the registers have paths and values alone, which
// are those of raw.
func (w *wanted) read(raw bson.Raw, p *profile.Profile) error {
	if w.whole {
		full, err := profile.Profiles.Decode(raw)
		if err == nil {
			*p = *full
		}
		return err
	}
	*p = profile.Profile{Meta: store.Meta{ID: rawKey(raw)}, Traits: p.Traits[:0]}
	for it := event.Elements(raw); it.Next(); {
		switch string(it.Key()) {
		case "k":
			p.Bucket, _ = it.Value().AsInt64OK()
		case "traits":
			if len(w.traits) > 0 {
				p.Traits = w.registers(it.Value().Value, p.Traits)
			}
		case "consents":
			if w.consents { // few have any, and each is read
				full, err := profile.Profiles.Decode(raw)
				if err != nil {
					return err
				}
				p.Consents = full.Consents
			}
		}
	}
	return nil
}

// registers appends the registers that are wanted, in their order.
func (w *wanted) registers(array []byte, out []profile.Trait) []profile.Trait {
	for it := event.Elements(array); it.Next(); {
		for f := event.Elements(it.Value().Value); f.Next(); {
			key := f.Key()
			if len(key) != 1 {
				continue
			}
			if key[0] == 'p' {
				path := stringOf(f.Value().Value)
				if string(path) >= w.end {
					return out
				}
				if !w.wants(path) {
					break
				}
				out = append(out, profile.Trait{Path: string(path)})
				continue
			}
			if n := len(out); key[0] == 'v' && n > 0 {
				out[n-1].Value = f.Value()
				break // the rest says where it comes from
			}
		}
	}
	return out
}

// stringOf returns the bytes of a BSON string.
func stringOf(v []byte) []byte {
	if len(v) < 5 {
		return nil
	}
	return v[4 : len(v)-1]
}

// wants tells whether a register is at a wanted path, above one or below one.
func (w *wanted) wants(path []byte) bool {
	for _, t := range w.traits {
		n := len(path)
		switch {
		case n == len(t) && string(path) == t,
			n < len(t) && t[n] == '.' && strings.HasPrefix(t, string(path)),
			n > len(t) && path[len(t)] == '.' && string(path[:len(t)]) == t:
			return true
		}
	}
	return false
}
