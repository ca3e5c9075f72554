package salesforce

import (
	"encoding/json"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// cursor says how far a stream was read. Records are read in the order of their
// SystemModstamp, and by id where many share a second, so that any record is a place
// to go on from.
type cursor struct {
	Version int `json:"v"`
	// From and After are the last record that was read: all before it were. Without
	// After all that were changed before From were read.
	From  time.Time `json:"from"`
	After string    `json:"after,omitempty"`
	// Until is the end of the pass that is being made; zero when none is.
	Until time.Time `json:"until,omitzero"`
	// Seen are the records of the overlap that were read already, with their time.
	Seen map[string]int64 `json:"seen,omitempty"`
	// Deletions were asked for up to here.
	Deletions time.Time `json:"deletions,omitzero"`
	// Job and Locator are where a first load by a bulk query is.
	Job     string `json:"job,omitempty"`
	Locator string `json:"locator,omitempty"`
}

// maxSeen bounds what a cursor remembers; beyond it the records of the overlap come again.
const maxSeen = 800

// kept is how long the vendor knows of deletions: its recycle bin for 15 days.
const kept = 15 * 24 * time.Hour

func readCursor(raw []byte, now time.Time) (*cursor, error) {
	c := &cursor{}
	if raw == nil {
		return c, nil
	}
	if json.Unmarshal(raw, c) != nil || c.Version != 1 {
		return nil, sdk.CursorLost("the place to go on from was not written by this connector: begin again").Because("UNREADABLE")
	}
	if c.Job == "" && !c.From.IsZero() && c.From.Before(now.Add(-kept)) {
		return nil, sdk.CursorLost("the last pull is more than 15 days ago, and Salesforce has forgotten what was deleted since: begin again").Because("TOO_OLD")
	}
	return c, nil
}

func (c *cursor) write() []byte {
	c.Version = 1
	b, err := json.Marshal(c)
	if err != nil {
		return nil // times and text always encode
	}
	return b
}

// passed says that a record was read in an earlier pass and has not changed since.
func (c *cursor) passed(r *sdk.Record) bool {
	at, ok := c.Seen[r.ID]
	return ok && at == r.UpdatedAt.Unix()
}

// finish ends a pass: the next one begins with the overlap, but for what was seen.
func (c *cursor) finish(seen map[string]int64) {
	from := c.Until.Add(-overlap)
	for id, at := range c.Seen {
		if _, newer := seen[id]; !newer {
			seen[id] = at
		}
	}
	for id, at := range seen {
		if at < from.Unix() {
			delete(seen, id)
		}
	}
	if len(seen) > maxSeen {
		seen = nil
	}
	*c = cursor{From: from, Seen: seen, Deletions: c.Deletions}
}
