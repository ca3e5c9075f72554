package sandbox

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// Delivery is one webhook, ready to go.
type Delivery struct {
	// URL is where it goes; an empty one goes nowhere.
	URL string
	// Header has the content type and the vendor's signature.
	Header http.Header
	// Body is the signed bytes.
	Body []byte
}

// Outbox sends webhooks, one after another in their order, by POST. What is not
// answered with 2xx is sent again, a few times. It may be used by several
// goroutines.
type Outbox struct {
	clock  *Clock
	faults *Faults
	client *http.Client

	mu     sync.Mutex
	idle   *sync.Cond
	url    string
	queue  []func(time.Time) Delivery
	busy   bool
	counts Deliveries
}

// Deliveries counts what an outbox did.
type Deliveries struct {
	// Delivered were answered with 2xx; a webhook that was sent twice counts twice.
	Delivered int `json:"delivered"`
	// Refused is how many attempts were not.
	Refused int `json:"refused"`
	// Dropped were given up.
	Dropped int `json:"dropped"`
}

// pauses between the attempts of one delivery: as vendors do, in a test's time.
var pauses = []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 1600 * time.Millisecond}

func newOutbox(clock *Clock, faults *Faults) *Outbox {
	o := &Outbox{clock: clock, faults: faults, client: &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	o.idle = sync.NewCond(&o.mu)
	return o
}

// SetURL says where webhooks go; an empty URL is nowhere.
func (o *Outbox) SetURL(url string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.url = url
}

// URL is where webhooks go, as it was set.
func (o *Outbox) URL() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.url
}

// Send queues a delivery and returns at once. Build is called before each attempt
// with the time to sign for, so that a repeated webhook is signed afresh.
func (o *Outbox) Send(build func(now time.Time) Delivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, build)
	if !o.busy {
		o.busy = true
		go o.drain()
	}
}

// Flush waits until nothing is queued any more and says what was done so far.
func (o *Outbox) Flush() Deliveries {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.busy {
		o.idle.Wait()
	}
	return o.counts
}

// drain works until the queue is empty; the goroutine ends with it.
func (o *Outbox) drain() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.busy = false
			o.idle.Broadcast()
			o.mu.Unlock()
			return
		}
		build := o.queue[0]
		o.queue = o.queue[1:]
		o.mu.Unlock()
		o.deliver(build)
	}
}

func (o *Outbox) deliver(build func(time.Time) Delivery) {
	times, forged, age := 1, false, time.Duration(0)
	for _, f := range o.faults.delivery() {
		switch f.Kind {
		case WebhookTwice:
			times = 2
		case WebhookForged:
			forged = true
		case WebhookStale:
			age = 10 * time.Minute
		}
	}
	for range times {
		for attempt := 0; ; attempt++ {
			d := build(o.clock.Now().Add(-age))
			if d.URL == "" {
				return
			}
			if forged {
				d.Body = append(bytes.Clone(d.Body), ' ')
			}
			if o.post(d) {
				break
			}
			// A forged or stale one is expected to be refused: once is enough.
			if attempt == len(pauses) || forged || age > 0 {
				o.count(func(c *Deliveries) { c.Dropped++ })
				break
			}
			time.Sleep(pauses[attempt])
		}
	}
}

func (o *Outbox) post(d Delivery) bool {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		o.count(func(c *Deliveries) { c.Refused++ })
		return false
	}
	for name, values := range d.Header {
		req.Header[name] = values
	}
	res, err := o.client.Do(req)
	if err != nil {
		o.count(func(c *Deliveries) { c.Refused++ })
		return false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // so that the connection is used again
	res.Body.Close()
	good := res.StatusCode/100 == 2
	o.count(func(c *Deliveries) {
		if good {
			c.Delivered++
		} else {
			c.Refused++
		}
	})
	return good
}

func (o *Outbox) count(change func(*Deliveries)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.counts)
}
