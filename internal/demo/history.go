package demo

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"
)

// message is one Segment message with the instant that orders it.
type message struct {
	at   time.Time
	body map[string]any
}

// history is a person's whole year, in order.
type history struct {
	p        *person
	to       time.Time
	messages []message
	orders   int
}

// People is how many shoppers the demo has.
const People = 3000

// Months is how long the demo's history is.
const Months = 12

// Messages returns the events of the first n people in the 12 months before to
// (whole days, UTC), in the order of time, each a Segment message in JSON.
func Messages(n int, to time.Time) ([]json.RawMessage, error) {
	to = to.UTC().Truncate(24 * time.Hour)
	from := to.AddDate(0, -Months, 0)
	var all []message
	for i := range n {
		h := &history{p: newPerson(i, from, to), to: to}
		h.live()
		all = append(all, h.messages...)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].at.Before(all[j].at) })
	out := make([]json.RawMessage, len(all))
	for i, m := range all {
		b, err := json.Marshal(m.body)
		if err != nil {
			return nil, fmt.Errorf("encode demo message: %w", err)
		}
		out[i] = b
	}
	return out, nil
}

// live plays the visits of one person, from the first to the last day.
func (h *history) live() {
	p := h.p
	gap := 70.0 // days between visits, on average
	if p.loyal {
		gap = 24
	}
	for i, d := range p.devices {
		if d.knownFrom.IsZero() || d.knownFrom.After(h.to) {
			continue
		}
		h.login(i, d.knownFrom, i == 0)
	}
	if p.signup.IsZero() {
		gap *= 2 // people who stay anonymous come less often
	}
	for at := p.first; at.Before(h.to); at = at.Add(days(gap * (0.3 + 1.4*p.rng.Float64()))) {
		h.visit(at, p.rng.IntN(len(p.devices)))
	}
	if !p.signup.IsZero() && p.consentEmail {
		h.newsletters()
	}
	if h.orders > 0 && p.rng.IntN(100) < 14 {
		at := p.signup.Add(days(5 + 60*p.rng.Float64()))
		h.track(0, at, "Support Ticket Opened", map[string]any{
			"ticket_id": fmt.Sprintf("T-%05d", p.n), "topic": ticketTopics[p.rng.IntN(len(ticketTopics))], "channel": "email"})
	}
}

// login tells who uses a device: on the first one it is the signup.
func (h *history) login(i int, at time.Time, signup bool) {
	if signup {
		h.track(i, at, "Signed Up", map[string]any{"plan": "free", "method": "email"})
	}
	h.add(i, at.Add(time.Second), map[string]any{"type": "identify", "traits": h.p.traits()}, true)
}

// visit is one session: pages, perhaps a cart, perhaps an order.
func (h *history) visit(at time.Time, i int) {
	p := h.p
	c := campaigns[p.rng.IntN(len(campaigns))]
	view := catalogue[p.rng.IntN(len(catalogue))]
	if p.devices[i].app {
		h.add(i, at, map[string]any{"type": "screen", "name": "Home"}, false)
	} else {
		props := map[string]any{"url": "https://shop.example.com/", "path": "/", "title": "Shop"}
		if c.source != "" {
			props["utm_source"], props["utm_medium"], props["utm_campaign"] = c.source, c.medium, c.name
		}
		h.add(i, at, map[string]any{"type": "page", "name": "Home", "properties": props}, false)
	}
	h.track(i, at.Add(40*time.Second), "Product Viewed", line(view, 1))
	if p.rng.IntN(100) >= 46 {
		return
	}
	items := []product{view}
	if len(view.complements) > 0 && p.rng.IntN(100) < 35 {
		items = append(items, catalogue[view.complements[p.rng.IntN(len(view.complements))]])
	}
	cart := fmt.Sprintf("C-%05d-%d", p.n, at.Unix())
	for k, it := range items {
		props := line(it, 1+p.rng.IntN(2))
		props["cart_id"] = cart
		h.track(i, at.Add(time.Duration(90+30*k)*time.Second), "Product Added", props)
	}
	if p.signup.IsZero() || at.Before(p.signup) || p.rng.IntN(100) >= 57 {
		return // a cart left behind
	}
	h.order(i, at.Add(6*time.Minute), cart, items)
}

func (h *history) order(i int, at time.Time, cart string, items []product) {
	h.orders++
	id, cents := fmt.Sprintf("O-%05d-%d", h.p.n, h.orders), 0
	lines := make([]map[string]any, 0, len(items))
	for _, it := range items {
		q := 1
		if it.rebuyDays > 0 {
			q += h.p.rng.IntN(3)
		}
		cents += it.cents * q
		lines = append(lines, line(it, q))
	}
	h.track(i, at, "Order Completed", map[string]any{
		"order_id": id, "cart_id": cart, "total": amount(cents), "currency": h.p.place.currency, "products": lines})
	if h.p.rng.IntN(100) < 5 {
		h.track(i, at.Add(days(6)), "Order Refunded", map[string]any{"order_id": id, "total": amount(cents), "currency": h.p.place.currency})
	}
}

// newsletters are sent each month to those who agreed; some open, fewer click.
func (h *history) newsletters() {
	for k, at := 0, h.p.signup.AddDate(0, 1, 0); at.Before(h.to); k, at = k+1, at.AddDate(0, 1, 0) {
		id := map[string]any{"campaign_id": fmt.Sprintf("news-%s", at.Format("2006-01")), "message_id": fmt.Sprintf("N-%05d-%d", h.p.n, k)}
		if h.p.rng.IntN(100) < 38 {
			h.track(0, at.Add(days(h.p.rng.Float64())), "Email Opened", id)
			if h.p.rng.IntN(100) < 24 {
				h.track(0, at.Add(days(1)+time.Minute), "Email Link Clicked", id)
			}
		}
	}
}

func (h *history) track(i int, at time.Time, name string, properties map[string]any) {
	h.add(i, at, map[string]any{"type": "track", "event": name, "properties": properties}, false)
}

// add completes a message: its id, its device, its user once known, and the
// consents when it identifies somebody.
func (h *history) add(i int, at time.Time, body map[string]any, identify bool) {
	if at.After(h.to) {
		return
	}
	d := h.p.devices[i]
	body["messageId"] = fmt.Sprintf("demo-%05d-%04d", h.p.n, len(h.messages))
	body["anonymousId"] = d.anonymousID
	body["timestamp"] = at.UTC().Format(time.RFC3339)
	context := map[string]any{"library": map[string]any{"name": "demo", "version": "1"}, "locale": h.p.place.locale}
	if identify || (!d.knownFrom.IsZero() && at.After(d.knownFrom)) {
		body["userId"] = h.p.userID()
	}
	if identify {
		context["consent"] = map[string]any{"categoryPreferences": map[string]any{
			"marketing": h.p.consentEmail, "sms": h.p.consentSMS, "analytics": true}}
	}
	body["context"] = context
	h.messages = append(h.messages, message{at, body})
}

func line(p product, quantity int) map[string]any {
	return map[string]any{"product_id": p.sku, "sku": p.sku, "name": p.name, "category": p.category, "price": amount(p.cents), "quantity": quantity}
}

// amount is a price as a JSON number with two decimals, exact.
func amount(cents int) json.Number {
	return json.Number(fmt.Sprintf("%d.%02d", cents/100, cents%100))
}

func days(d float64) time.Duration { return time.Duration(d * 24 * float64(time.Hour)) }
