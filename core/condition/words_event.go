package condition

import "strings"

// verbs puts well-known events into words, as they were done; the same words follow
// "has" and "has not". The names are those of Segment's specifications for commerce
// and applications (https://segment.com/docs/connections/spec/).
var verbs = map[string]string{
	"Order Completed": "ordered", "Order Cancelled": "cancelled an order", "Order Refunded": "had an order refunded",
	"Product Viewed": "viewed a product", "Product List Viewed": "viewed a list of products", "Product Clicked": "clicked a product",
	"Product Added": "added a product to the cart", "Product Removed": "removed a product from the cart",
	"Product Added to Wishlist": "added a product to a wishlist", "Product Removed from Wishlist": "removed a product from a wishlist",
	"Product Shared": "shared a product", "Product Reviewed": "reviewed a product", "Products Searched": "searched for products",
	"Cart Viewed": "viewed the cart", "Cart Shared": "shared the cart", "Checkout Started": "started a checkout",
	"Checkout Step Viewed": "viewed a step of the checkout", "Checkout Step Completed": "completed a step of the checkout",
	"Payment Info Entered": "entered payment details", "Coupon Entered": "entered a coupon", "Coupon Applied": "applied a coupon",
	"Coupon Denied": "had a coupon denied", "Promotion Viewed": "viewed a promotion", "Promotion Clicked": "clicked a promotion",
	"Page Viewed": "viewed a page", "Screen Viewed": "viewed a screen", "Signed Up": "signed up", "Signed In": "signed in",
	"Signed Out": "signed out", "Application Installed": "installed the app", "Application Opened": "opened the app",
	"Application Uninstalled": "uninstalled the app", "Subscription Started": "started a subscription",
	"Subscription Cancelled": "cancelled a subscription", "Subscription Renewed": "renewed a subscription",
}

// done says that an event was done.
func done(name string) string {
	if v, ok := verbs[name]; ok {
		return v
	}
	return "did " + quote(name)
}

// doneAfter says the same after "has" and "has not".
func doneAfter(name string) string {
	if v, ok := verbs[name]; ok {
		return v
	}
	return "done " + quote(name)
}

// spaced joins what is not empty.
func spaced(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}

func (s speaker) event(e *Event) phrase {
	c := countOf(e.Count)
	switch {
	case c.never():
		return s.hasNot(&Event{Name: e.Name, Where: e.Where, Window: e.Window})
	case c.times() == "" && e.Window == nil:
		return s.where("has "+doneAfter(e.Name), e.Where)
	}
	return s.where(spaced(done(e.Name), c.times(), windowWords(e.Window)), e.Where)
}

func (s speaker) hasNot(e *Event) phrase {
	c := countOf(e.Count)
	has := "has not "
	if c.times() == "" && e.Window == nil {
		has = "has never "
	}
	return s.where(has+spaced(doneAfter(e.Name), c.times(), windowWords(e.Window)), e.Where)
}

func (s speaker) firstTime(e *Event) phrase {
	return s.where(spaced(done(e.Name), "for the first time", windowWords(e.Window)), e.Where)
}

func (s speaker) stopped(e *Event) phrase {
	c := countOf(e.Count)
	if c.never() {
		return s.where("has not "+doneAfter(e.Name)+" "+windowWords(e.Window)+" nor before", e.Where)
	}
	return s.where(spaced(done(e.Name), c.times(), "before but not", windowWords(e.Window)), e.Where)
}

func (s speaker) lastEvent(e *Event) phrase {
	if e.Window == nil && len(e.Where) == 0 {
		return s.event(e)
	}
	text := "the latest " + quote(e.Name) + " was "
	if e.Window == nil {
		text += "one"
	} else {
		text += windowWords(e.Window)
	}
	return s.where(text, e.Where)
}

func (s speaker) sequence(q *Sequence) phrase {
	var parts []string
	for i, e := range q.Steps {
		text := s.where(done(e.Name), e.Where).text
		if i > 0 {
			text = "then " + text
		}
		parts = append(parts, text)
	}
	if q.Within != nil {
		parts = append(parts, "all within "+periodWords(*q.Within))
	}
	if len(q.Without) > 0 {
		var between []phrase
		for _, e := range q.Without {
			between = append(between, s.where(quote(e.Name), e.Where))
		}
		parts = append(parts, "without "+joinPhrases(between, "or").text+" in between")
	}
	if q.Window != nil {
		parts = append(parts, windowWords(q.Window))
	}
	return phrase{strings.Join(parts, ", "), joined}
}

// figureWords begin what is said of an aggregate.
var figureWords = map[AggregateFn]string{
	Sum: "the sum of ", Avg: "the average ", Min: "the lowest ", Max: "the highest ", Distinct: "the number of different values of ",
}

func (s speaker) aggregate(a *Aggregate) phrase {
	events := quote(a.Event.Name) + " events"
	if w := windowWords(a.Event.Window); w != "" {
		events += " " + w
	}
	events = s.where(events, a.Event.Where).text
	var text string
	switch {
	case a.Fn == Count && a.Path == "":
		text = "the number of " + events
	case a.Fn == Count:
		text = "the number of " + events + " that have " + pathWords(a.Path)
	default:
		text = figureWords[a.Fn] + pathWords(a.Path) + " over " + events
	}
	if len(a.Event.Where) > 0 {
		text += "," // else "is" would be taken for a part of the where
	}
	unit := ""
	if a.Currency != "" {
		unit = " " + a.Currency
	}
	if value := rangeWords(a.Value, unit); value != "" {
		text += " " + value
	}
	return phrase{text: text, ends: trailing}
}

// messageVerbs say what became of messages, and that it did not.
var messageVerbs = map[string][2]string{
	"SENT": {"was sent a message", "was not sent a message"}, "DELIVERED": {"received a message", "has not received a message"},
	"OPENED": {"opened a message", "has not opened a message"}, "CLICKED": {"clicked in a message", "has not clicked in a message"},
	"BOUNCED": {"had a message bounce", "has not had a message bounce"}, "COMPLAINED": {"complained about a message", "has not complained about a message"},
	"REPLIED": {"replied to a message", "has not replied to a message"}, "UNSUBSCRIBED": {"unsubscribed from a message", "has not unsubscribed from a message"},
}

func (s speaker) message(m *Message, not bool) phrase {
	text := messageVerbs[m.Status][0]
	if not {
		text = messageVerbs[m.Status][1]
	}
	if m.CampaignID != "" {
		text += " of the campaign " + quote(m.CampaignID)
	}
	if m.NodeID != "" {
		text += " of the step " + quote(m.NodeID)
	}
	return phrase{text: spaced(text, windowWords(m.Window))}
}
