package conditiontest

import (
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// String writes the history out, for a report of a difference.
func (h *History) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "profile %s, zone %v\n", h.ProfileID, h.Location)
	fmt.Fprintf(&b, "traits %s\n", extended(h.Traits))
	for _, e := range h.Events {
		of := ""
		if e.System {
			of = " (system)"
		}
		fmt.Fprintf(&b, "event %s %q%s of %s at %s, arrived %s: %s\n", e.ID, e.Name, of, e.Part,
			e.At.Format(time.RFC3339Nano), e.Arrived.Format(time.RFC3339Nano), extended(e.Properties))
	}
	fmt.Fprintf(&b, "consents %v\n", h.Consents) // sorted
	for _, r := range h.Records {
		fmt.Fprintf(&b, "record %s %s: %s\n", r.Type, r.Relation, extended(r.Fields))
	}
	for _, m := range h.Memberships {
		fmt.Fprintf(&b, "in %s since %s\n", m.ID, m.Since.Format(time.RFC3339Nano))
	}
	fmt.Fprintf(&b, "record asked of: %s\n", extended(h.Field))
	return b.String()
}

func extended(doc bson.Raw) string {
	if len(doc) == 0 {
		return "{}"
	}
	text, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
