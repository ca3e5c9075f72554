package hubspot

import (
	"encoding/json"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// cursor says how far a stream was read.
type cursor struct {
	Version int `json:"v"`
	// Listing, of a first load: After is where its next page begins.
	Listing bool   `json:"listing,omitempty"`
	After   string `json:"after,omitempty"`
	// From is the time, in milliseconds, up to which all changes were read; those of that
	// very millisecond too when Past is set.
	From int64 `json:"from"`
	Past bool  `json:"past,omitempty"`
	// Tie is set while the many changes of one millisecond, From, are read by id: those up
	// to Tie were.
	Tie string `json:"tie,omitempty"`
	// Seen are the changes of the overlap that were read already, with their time.
	Seen map[string]int64 `json:"seen,omitempty"`
	// Swept is when the archived records were last looked through, Pages how many
	// pages they had.
	Swept int64 `json:"swept,omitempty"`
	Pages int   `json:"pages,omitempty"`
}

// overlap is how far behind the last look a pull begins: the search index follows the
// records by some seconds.
const overlap = 2 * time.Minute

// settled is how old a change is before it may be taken for the last of its time.
const settled = 2 * time.Second

// maxSeen bounds what a cursor remembers; beyond it the changes of the overlap come again.
const maxSeen = 800

// kept is how long the vendor keeps archived records.
const kept = 90 * 24 * time.Hour

func readCursor(raw []byte, now time.Time) (*cursor, error) {
	c := &cursor{}
	if raw == nil {
		return c, nil
	}
	if json.Unmarshal(raw, c) != nil || c.Version != 1 || c.Tie != "" && !numeric(c.Tie) || c.After != "" && !numeric(c.After) {
		return nil, sdk.CursorLost("the place to go on from was not written by this connector: begin again").Because("UNREADABLE")
	}
	if c.Swept > 0 && time.UnixMilli(c.Swept).Before(now.Add(-kept)) {
		return nil, sdk.CursorLost("the last pull is more than 90 days ago, and HubSpot has forgotten what was deleted since: begin again").Because("TOO_OLD")
	}
	return c, nil
}

func (c *cursor) write() []byte {
	c.Version = 1
	b, err := json.Marshal(c)
	if err != nil {
		return nil // numbers and text always encode
	}
	return b
}

// passed says that a change was read in an earlier pass.
func (c *cursor) passed(r *sdk.Record) bool {
	at, ok := c.Seen[r.ID]
	return ok && at == r.UpdatedAt.UnixMilli()
}

// finish ends a pass that began at a time of the vendor's clock.
func (c *cursor) finish(at time.Time, seen map[string]int64) {
	from := at.Add(-overlap).UnixMilli()
	for id, t := range c.Seen {
		if _, newer := seen[id]; !newer {
			seen[id] = t
		}
	}
	for id, t := range seen {
		if t < from {
			delete(seen, id)
		}
	}
	if len(seen) > maxSeen {
		seen = nil
	}
	*c = cursor{From: from, Seen: seen, Swept: c.Swept, Pages: c.Pages}
}
