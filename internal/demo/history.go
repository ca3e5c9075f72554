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
	bought   []purchase
	via      *campaign        // by which the visit came; nil: by itself
	id       func(int) string // of the message with the number; nil: the usual
}

// People is how many shoppers the demo has.
const People = 3000

// Months is how long the demo's history is.
const Months = 12

// Messages returns the events of the first n people in the 12 months before to
// (whole days, UTC), in the order of time, each a Segment message in JSON.
func Messages(n int, to time.Time) ([]json.RawMessage, error) {
	all := happenings(n, midnight(to))
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

// happenings are the messages up to a midnight, in the order of time.
func happenings(n int, to time.Time) []message {
	from := to.AddDate(0, -Months, 0)
	var all []message
	for i := range n {
		h := &history{p: newPerson(i, from, to), to: to}
		h.live()
		all = append(append(all, h.messages...), passersBy(i, from, to)...)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].at.Before(all[j].at) })
	return all
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
	fickle := 1 // of 100 orders but the first after which they do not come back
	if p.n*37%100 < 45 {
		fickle = 80
	}
	for at := p.first; at.Before(h.to); at = at.Add(days(gap * (0.3 + 1.4*p.rng.Float64()))) {
		before := h.orders
		h.visit(at, p.rng.IntN(len(p.devices)))
		if h.orders > max(before, 1) && p.rng.IntN(100) < fickle {
			break // they have what they need, and forget the shop
		}
	}
	if !p.signup.IsZero() && p.consentEmail {
		h.newsletters()
	}
	if h.orders > 0 && p.rng.IntN(100) < 14 {
		at := p.signup.Add(days(5 + 60*p.rng.Float64()))
		h.track(0, at, "Support Ticket Opened", map[string]any{
			"ticket_id": fmt.Sprintf("T-%05d", p.n), "topic": ticketTopics[p.rng.IntN(len(ticketTopics))], "channel": "email"})
	}
	h.programmes()
}

// login tells who uses a device: on the first one it is the signup.
func (h *history) login(i int, at time.Time, signup bool) {
	if signup {
		h.track(i, at, "Signed Up", map[string]any{"plan": "free", "method": "email"})
	}
	h.add(i, at.Add(time.Second), map[string]any{"type": "identify", "traits": h.p.traits()}, true)
}

// arrive begins a visit.
func (h *history) arrive(at time.Time, i int) {
	if h.p.devices[i].app {
		h.add(i, at, map[string]any{"type": "screen", "name": "Home"}, false)
		return
	}
	props := map[string]any{"url": "https://shop.example.com/", "path": "/", "title": "Shop"}
	if c := h.via; c.source != "" {
		props["utm_source"], props["utm_medium"], props["utm_campaign"] = c.source, c.medium, c.name
	}
	h.add(i, at, map[string]any{"type": "page", "name": "Home", "properties": props}, false)
}

func (h *history) cart(at time.Time) string { return fmt.Sprintf("C-%05d-%d", h.p.n, at.Unix()) }

// fancy is something that people buy.
func (h *history) fancy() product { return catalogue[2+h.p.rng.IntN(len(catalogue)-2)] }

// visit is one session: pages, perhaps a cart, perhaps an order.
func (h *history) visit(at time.Time, i int) {
	p := h.p
	c := campaigns[p.rng.IntN(len(campaigns))]
	h.via = &c
	defer func() { h.via = nil }()
	view := catalogue[p.rng.IntN(len(catalogue))]
	h.arrive(at, i)
	h.track(i, at.Add(40*time.Second), "Product Viewed", h.line(view, 1))
	carts, buys := 46, 8 // of 100 visits, and of 100 carts
	if p.loyal {
		carts, buys = 62, 72
	}
	if p.rng.IntN(100) >= carts {
		return
	}
	items := []product{view}
	if len(view.complements) > 0 && p.rng.IntN(100) < 35 {
		items = append(items, catalogue[view.complements[p.rng.IntN(len(view.complements))]])
	}
	cart := h.cart(at)
	for k, it := range items {
		props := h.line(it, 1+p.rng.IntN(2))
		props["cart_id"] = cart
		h.track(i, at.Add(time.Duration(90+30*k)*time.Second), "Product Added", props)
	}
	if p.signup.IsZero() || at.Before(p.signup) {
		return // a cart left behind
	}
	h.button(i, at.Add(4*time.Minute))
	if p.rng.IntN(100) >= buys {
		return
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
		cents += h.p.place.price(it) * q
		lines = append(lines, h.line(it, q))
	}
	if !at.After(h.to) {
		h.bought = append(h.bought, purchase{at, cents})
	}
	h.track(i, at, "Order Completed", map[string]any{
		"order_id": id, "cart_id": cart, "total": amount(cents), "margin": amount(cents * 45 / 100), "currency": h.p.place.currency, "products": lines})
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
	if body["messageId"] = fmt.Sprintf("demo-%05d-%04d", h.p.n, len(h.messages)); h.id != nil {
		body["messageId"] = h.id(len(h.messages))
	}
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
	if c := h.via; c != nil && c.source != "" {
		context["campaign"] = map[string]any{"source": c.source, "medium": c.medium, "name": c.name}
	}
	body["context"] = context
	h.messages = append(h.messages, message{at, body})
}

func (h *history) line(p product, quantity int) map[string]any {
	return map[string]any{
		"product_id": p.sku, "sku": p.sku, "name": p.name, "category": p.category, "price": amount(h.p.place.price(p)), "quantity": quantity,
	}
}

func passerID(n, k int) string { return fmt.Sprintf("demo-%05d-by-%d", n, k) }

// amount is a price as a JSON number with two decimals, exact.
func amount(cents int) json.Number {
	return json.Number(fmt.Sprintf("%d.%02d", cents/100, cents%100))
}

func days(d float64) time.Duration { return time.Duration(d * 24 * float64(time.Hour)) }

func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
