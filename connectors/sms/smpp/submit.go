package smpp

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sms/segment"
)

// Text is a message to send.
type Text struct {
	From string // a number with "+", a short code, or a name of up to 11 letters
	To   string // E.164
	Body string
}

// PartialError says that some parts of a long message went out and the rest did not.
type PartialError struct{ Err error }

// Error implements error.
func (e *PartialError) Error() string { return "only some parts went out: " + e.Err.Error() }

// Unwrap returns why the rest did not.
func (e *PartialError) Unwrap() error { return e.Err }

// maxTries is how often a part is offered to a centre that is throttled.
const maxTries = 4

// Submit sends a text and asks for a receipt. It returns the centre's id of each part.
func (c *Client) Submit(ctx context.Context, t Text) ([]string, error) {
	parts := segment.Split(t.Body)
	encoding := segment.Of(t.Body)
	m := Message{Receipt: 1, Dest: strings.TrimPrefix(t.To, "+"), DestTON: 1, DestNPI: 1}
	m.Source, m.SourceTON, m.SourceNPI = address(t.From)
	if encoding == segment.UCS2 {
		m.DataCoding = CodingUCS2
	}
	reference := byte(c.ref.Add(1))
	var ids []string
	for i, part := range parts {
		m.Short = segment.Encode(part, encoding)
		if len(parts) > 1 {
			m.ESMClass = esmUDH
			m.Short = append([]byte{5, 0, 3, reference, byte(len(parts)), byte(i + 1)}, m.Short...)
		}
		id, err := c.submit(ctx, m)
		if err != nil {
			if i > 0 {
				err = &PartialError{err}
			}
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// address says what kind of sender it is (5.2.5, 5.2.6).
func address(from string) (digits string, ton, npi byte) {
	if number, is := strings.CutPrefix(from, "+"); is {
		return number, 1, 1
	}
	if strings.Trim(from, "0123456789") == "" {
		return from, 3, 0 // a short code of the network
	}
	return from, 5, 0
}

// submit offers one part. Throttled, it waits: so long, and then twice as long, for all
// that are sent by this client.
func (c *Client) submit(ctx context.Context, m Message) (string, error) {
	for try := 1; ; try++ {
		if err := c.calm(ctx); err != nil {
			return "", err
		}
		s, err := c.current(ctx)
		if err != nil {
			return "", err
		}
		answer, err := s.request(ctx, SubmitSM, m.Bytes())
		if errors.Is(err, ErrUnreachable) && s.isDead() && try < maxTries {
			continue // nothing went out: by the next session
		}
		if err != nil {
			return "", err
		}
		switch {
		case answer.Status == StatusOK:
			c.eased()
			r := reader{b: answer.Body}
			return r.text(), nil
		case answer.Status != Throttled && answer.Status != QueueFull, try == maxTries:
			return "", &StatusError{SubmitSM, answer.Status}
		}
		c.throttled()
	}
}

// Bounds of the pause of a throttled client.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 10 * time.Second
)

// throttled makes everybody wait. Those who were refused together count once.
func (c *Client) throttled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Before(c.pause) {
		return
	}
	c.slower = min(max(2*c.slower, firstPause), lastPause)
	c.pause = now.Add(c.slower)
}

func (c *Client) eased() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slower > 0 && time.Now().After(c.pause) {
		c.slower /= 2
	}
}

// Pause is how long nothing will be submitted.
func (c *Client) Pause() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(time.Until(c.pause), 0)
}

// calm waits until the pause is over.
func (c *Client) calm(ctx context.Context) error {
	wait := c.Pause()
	if wait == 0 {
		return nil
	}
	if deadline, set := ctx.Deadline(); set && time.Until(deadline) < wait {
		return &StatusError{SubmitSM, Throttled} // it would not be sent in time
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return &StatusError{SubmitSM, Throttled}
	case <-c.ctx.Done():
		return ErrClosed
	}
}

// Query asks what became of a message (query_sm).
func (c *Client) Query(ctx context.Context, id, from string) (State, error) {
	s, err := c.current(ctx)
	if err != nil {
		return "", err
	}
	source, ton, npi := address(from)
	body := append(append([]byte(id), 0, ton, npi), append([]byte(source), 0)...)
	answer, err := s.request(ctx, QuerySM, body)
	if errors.Is(err, ErrUnknown) {
		return "", ErrUnreachable // to ask again does no harm
	}
	if err != nil {
		return "", err
	}
	if answer.Status != StatusOK {
		return "", &StatusError{QuerySM, answer.Status}
	}
	r := reader{b: answer.Body}
	r.text() // the id
	r.text() // the date
	if state := states[r.octet()]; state != "" {
		return state, nil
	}
	return Unknown, nil // or too short an answer, whose octet reads as 0
}
