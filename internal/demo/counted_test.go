package demo

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shopper is what the messages say of one person.
type shopper struct {
	signedUp           time.Time
	orders             []time.Time
	spent              int // cents
	coffee, hasGrinder bool
}

// counted says how many people are in some of the segments, by reading the messages
// from the first to the last and nothing else.
func counted(t *testing.T, people int) map[string]int64 {
	t.Helper()
	messages, err := Messages(people, lastDay)
	require.NoError(t, err)
	type body struct {
		Event, UserID, AnonymousID string
		Timestamp                  time.Time
		Properties                 struct {
			SKU      string
			Total    json.Number
			Products []struct{ SKU string }
		}
	}
	all := make([]body, len(messages))
	user := map[string]string{} // of a device on which somebody logged in
	for i, m := range messages {
		require.NoError(t, json.Unmarshal(m, &all[i]))
		if b := all[i]; b.UserID != "" {
			user[b.AnonymousID] = b.UserID
		}
	}
	recent := lastDay.AddDate(0, 0, -90)
	who := map[string]*shopper{}
	for _, b := range all {
		id := b.AnonymousID
		if user[id] != "" {
			id = user[id]
		}
		if who[id] == nil {
			who[id] = &shopper{}
		}
		s := who[id]
		switch b.Event {
		case "Signed Up":
			s.signedUp = b.Timestamp
		case "Product Viewed":
			s.coffee = s.coffee || b.Properties.SKU == "COF-250" && b.Timestamp.After(recent)
		case "Order Completed":
			s.orders = append(s.orders, b.Timestamp)
			total, err := b.Properties.Total.Float64()
			require.NoError(t, err)
			s.spent += int(total*100 + 0.5)
			for _, p := range b.Properties.Products {
				s.coffee = s.coffee || p.SKU == "COF-250" && b.Timestamp.After(recent)
				s.hasGrinder = s.hasGrinder || p.SKU == "GRN-001"
			}
		}
	}
	n := map[string]int64{}
	count := func(key string, in bool) {
		if in {
			n[key]++
		}
	}
	for _, s := range who {
		last := time.Time{}
		if k := len(s.orders); k > 0 {
			last = s.orders[k-1]
		}
		count("new-signups", s.signedUp.After(lastDay.AddDate(0, 0, -7)) && len(s.orders) == 0)
		count("high-value", s.spent >= 300_00)
		count("churn-risk", len(s.orders) >= 2 && !last.After(recent))
		count("coffee", s.coffee)
		count("grinder-owners", s.hasGrinder)
		count("grinder-news", s.coffee && !s.hasGrinder)
	}
	return n
}
