package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Definition is a segment of the demo. Where is its condition as JSON, in which
// "@" and a key stand for the id of a segment that was made before it; without one
// it is a list.
type Definition struct {
	Key, Name, Description string
	Where                  string
	TimeZone               string
	Tags                   []string
}

// Definitions are the demo's segments, in the order in which they are made.
var Definitions = []Definition{
	{
		Key: "new-signups", Name: "New signups", Tags: []string{"lifecycle"},
		Description: "Signed up in the last 7 days and has not ordered yet.",
		Where: `{"and": [
			{"firstTime": {"name": "Signed Up", "window": {"last": "P7D"}}},
			{"event": {"name": "Order Completed", "count": {"eq": 0}}}]}`,
	},
	{
		Key: "high-value", Name: "High lifetime value", Tags: []string{"value"},
		Description: "Has ordered for 300 or more in all.",
		Where:       `{"aggregate": {"event": {"name": "Order Completed"}, "fn": "SUM", "path": "total", "value": {"gte": 300}}}`,
	},
	{
		Key: "churn-risk", Name: "Churn risk", Tags: []string{"lifecycle"},
		Description: "Ordered at least twice, and not in the last 90 days.",
		Where:       `{"stopped": {"name": "Order Completed", "count": {"gte": 2}, "window": {"last": "P90D"}}}`,
	},
	{
		Key: "cart-abandoners", Name: "Left a cart", Tags: []string{"cart"},
		Description: "Put something into the cart in the last two days, and no order came of it.",
		Where: `{"and": [
			{"event": {"name": "Product Added", "window": {"last": "P2D"}}},
			{"not": {"sequence": {"steps": [{"name": "Product Added"}, {"name": "Order Completed"}], "within": "P1D", "window": {"last": "P2D"}}}},
			{"trait": {"path": "email", "exists": true}}]}`,
	},
	{
		Key: "loyal", Name: "Loyal, may be written to", Tags: []string{"loyalty"},
		Description: "At least three orders in 90 days, or gold and two; and agreed to marketing.",
		Where: `{"and": [
			{"or": [
				{"event": {"name": "Order Completed", "count": {"gte": 3}, "window": {"last": "P90D"}}},
				{"and": [
					{"trait": {"path": "loyaltyTier", "eq": "gold"}},
					{"event": {"name": "Order Completed", "count": {"gte": 2}, "window": {"last": "P90D"}}}]}]},
			{"consent": {"purpose": "marketing", "status": "GRANTED"}}]}`,
	},
	{
		Key: "subscription-due", Name: "Subscription needs a hand", Tags: []string{"subscription"},
		Description: "A payment is late, or an active subscription renews in the next 14 days.",
		Where: `{"or": [
			{"object": {"type": "subscription", "relation": "holder", "where": [{"path": "status", "eq": "past_due"}]}},
			{"object": {"type": "subscription", "relation": "holder", "where": [
				{"path": "status", "eq": "active"}, {"path": "renews_at", "within": {"next": "P14D"}}]}}]}`,
	},
	{
		Key: "store-only", Name: "Store, not online", Tags: []string{"stores"},
		Description: "Was in a store in the last 30 days and has never ordered online.",
		Where: `{"and": [
			{"object": {"type": "store_visit", "where": [{"path": "at", "within": {"past": "P30D"}}]}},
			{"event": {"name": "Order Completed", "count": {"eq": 0}}}]}`,
	},
	{
		Key: "coffee", Name: "Coffee people", Tags: []string{"news"},
		Description: "Viewed or bought coffee beans in the last 90 days.",
		Where: `{"or": [
			{"event": {"name": "Product Viewed", "where": [{"path": "sku", "eq": "COF-250"}], "window": {"last": "P90D"}}},
			{"event": {"name": "Order Completed", "where": [{"path": "products", "any": [{"path": "sku", "eq": "COF-250"}]}], "window": {"last": "P90D"}}}]}`,
	},
	{
		Key: "grinder-owners", Name: "Has a coffee grinder", Tags: []string{"news"},
		Description: "Has ordered a coffee grinder at any time.",
		Where:       `{"event": {"name": "Order Completed", "where": [{"path": "products.sku", "eq": "GRN-001"}]}}`,
	},
	{
		Key: "grinder-news", Name: "News about the grinder", Tags: []string{"news"},
		Description: "Coffee people, except who has a coffee grinder: viewers and buyers of one thing without the buyers of another.",
		Where:       `{"and": [{"segment": {"id": "@coffee"}}, {"not": {"segment": {"id": "@grinder-owners"}}}]}`,
	},
	{
		Key: "panel", Name: "Product panel", Tags: []string{"research"},
		Description: "A dozen loyal people who try new things first: a list.",
	},
	{
		Key: "win-back", Name: "Win back", Tags: []string{"lifecycle", "test"},
		Description: "Churn risk of some value, not on the panel; one in ten is held out, the same people for ever.",
		Where: `{"and": [
			{"segment": {"id": "@churn-risk"}},
			{"aggregate": {"event": {"name": "Order Completed", "window": {"last": "P1Y"}}, "fn": "SUM", "path": "total", "value": {"gte": 500}}},
			{"not": {"list": {"id": "@panel"}}},
			{"not": {"bucket": {"salt": "win-back", "from": 0, "to": 1000}}}]}`,
	},
}

// tree decodes the condition, with the ids of the segments that it names.
func (d Definition) tree(ids map[string]string) (any, error) {
	text := d.Where
	for key, id := range ids {
		text = strings.ReplaceAll(text, `"@`+key+`"`, `"`+id+`"`)
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("condition of demo segment %s: %w", d.Key, err)
	}
	return v, nil
}
