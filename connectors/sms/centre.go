package sms

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sms/segment"
	"github.com/headwater-cdp/headwater/connectors/sms/smpp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

const (
	// takeWait is how long a text from a person waits for the host to pull it; after
	// that the centre is asked to keep it and send it again.
	takeWait = 8 * time.Second
	// pullWait is how long a pull waits for the first text, and then for more.
	pullWait, moreWait = time.Second, 50 * time.Millisecond
	// maxPage is how many texts a page has at most.
	maxPage = 100
	// maxReports is how many receipts are kept; an older one is asked for anew.
	maxReports = 50_000
	// listening is how long after a pull the next one is waited for with a receipt.
	listening = time.Minute
)

// centre is a connection to a message centre.
type centre struct {
	config config
	client *smpp.Client
	inbox  chan pending

	mu      sync.Mutex
	reports map[string]sdk.Delivery // by the centre's id
	order   []string
	pulled  time.Time // when the last pull was there
	pages   int       // that were given so far
	given   []given   // and are not known to be kept
}

// pending is a text, or a receipt, that the centre is to keep until the host has it.
type pending struct {
	message smpp.Message
	receipt *sdk.Delivery
	done    chan error
}

// given is a page on its way to the host's disk.
type given struct {
	cursor string
	taken  []pending
}

func openSMPP(c config) (*centre, error) {
	if err := required("smppAddress", c.Address, "smppSystemId", c.SystemID, "from", c.From); err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, sdk.InvalidConfig("smppAddress", "give host and port, such as smsc.example.com:2775")
	}
	if len(c.SystemID) > 15 || len(c.Password) > 8 || len(c.SystemType) > 12 {
		return nil, sdk.InvalidConfig("smppPassword", "the protocol takes a system id of 15 characters, a password of 8 and a type of 12 at most")
	}
	s := &centre{config: c, inbox: make(chan pending, maxPage), reports: map[string]sdk.Delivery{}}
	settings := smpp.Config{
		Address: c.Address, SystemID: c.SystemID, Password: c.Password, SystemType: c.SystemType, Window: c.Window, Deliver: s.deliver,
		Dialer: sdk.Dialer(),
	}
	if c.TLS {
		settings.TLS = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	s.client = smpp.Open(settings)
	return s, nil
}

// Close implements sdk.Connection.
func (s *centre) Close() error {
	s.client.Close()
	return nil
}

// Check implements sdk.Connection.
func (s *centre) Check(ctx context.Context) error {
	if err := s.client.Ready(ctx); err != nil {
		return s.fault(err)
	}
	return nil
}

// Send implements sdk.Sender. The id of a long message is those of its parts.
func (s *centre) Send(ctx context.Context, m sdk.Message) (sdk.Sent, error) {
	if err := sendable(m); err != nil {
		return sdk.Sent{}, err
	}
	switch {
	case m.Text == "":
		return sdk.Sent{}, sdk.InvalidRecord("text", "a message needs a text")
	case len(m.Media) > 0:
		return sdk.Sent{}, sdk.Unsupported("a message centre sends text only").Because("MEDIA")
	case segment.Count(m.Text) > 255:
		return sdk.Sent{}, sdk.InvalidRecord("text", "a message has at most 255 parts").Because("TOO_LONG")
	}
	from := m.From
	if from == "" {
		from = s.config.From
	}
	ids, err := s.client.Submit(ctx, smpp.Text{From: from, To: m.To, Body: m.Text})
	if err != nil {
		return sdk.Sent{}, s.fault(err)
	}
	return sdk.Sent{ID: strings.Join(ids, ","), State: sdk.DeliveryQueued, Segments: len(ids)}, nil
}

// Status implements sdk.StatusReader: by the receipt, else the centre is asked. A long
// message is delivered when all of its parts are.
func (s *centre) Status(ctx context.Context, q sdk.StatusQuery) (sdk.Delivery, error) {
	out := sdk.Delivery{ID: q.ID, Key: q.Key, State: sdk.DeliveryUnknown}
	if q.ID == "" {
		out.Reason = "a message centre finds messages by its own id only"
		return out, nil
	}
	for i, id := range strings.Split(q.ID, ",") {
		d, err := s.report(ctx, id)
		if err != nil {
			return sdk.Delivery{}, err
		}
		if i == 0 || rank[d.State] > rank[out.State] {
			out.State, out.Reason = d.State, d.Reason
		}
		if d.At.After(out.At) {
			out.At = d.At
		}
	}
	out.Event = q.ID + " " + string(out.State)
	return out, nil
}

// rank orders states from the best to the worst: the worst of its parts is a message's.
var rank = map[sdk.DeliveryState]int{
	sdk.DeliveryDelivered: 0, sdk.DeliverySent: 1, sdk.DeliveryQueued: 2, sdk.DeliveryUnknown: 3,
	sdk.DeliverySoftBounced: 4, sdk.DeliveryHardBounced: 5, sdk.DeliveryFailed: 6,
}

func (s *centre) report(ctx context.Context, id string) (sdk.Delivery, error) {
	s.mu.Lock()
	d, known := s.reports[id]
	s.mu.Unlock()
	if known {
		return d, nil
	}
	state, err := s.client.Query(ctx, id, s.config.From)
	var refused *smpp.StatusError
	if errors.As(err, &refused) { // many centres have no query_sm, or forget soon
		return sdk.Delivery{State: sdk.DeliveryUnknown, Reason: "the centre does not say"}, nil
	}
	if err != nil {
		return sdk.Delivery{}, s.fault(err)
	}
	return sdk.Delivery{State: deliveryState(state)}, nil
}

func deliveryState(state smpp.State) sdk.DeliveryState {
	switch state {
	case smpp.Delivered:
		return sdk.DeliveryDelivered
	case smpp.Enroute, smpp.AcceptedState:
		return sdk.DeliverySent
	case smpp.Expired:
		return sdk.DeliverySoftBounced
	case smpp.Undeliverable, smpp.Rejected, smpp.Deleted:
		return sdk.DeliveryFailed
	}
	return sdk.DeliveryUnknown
}

// deliver takes what the centre sends, and answers when the host has it. While nobody pulls,
// receipts are taken all the same: Status tells of them.
func (s *centre) deliver(ctx context.Context, m smpp.Message) error {
	p := pending{message: m, done: make(chan error, 1)}
	if r, is := m.AsReceipt(); is {
		d := s.keep(r)
		if !s.listened() {
			return nil
		}
		p.receipt = &d
	}
	wait := time.NewTimer(takeWait)
	defer wait.Stop()
	select {
	case s.inbox <- p:
	case <-wait.C:
		return errors.New("nobody pulls")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-p.done:
		return err
	case <-wait.C:
		return errors.New("nobody pulls") // should it be pulled after all, it has the same key when it comes again
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *centre) listened() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.pulled) < listening
}

// keep remembers a receipt.
func (s *centre) keep(r smpp.Receipt) sdk.Delivery {
	d := sdk.Delivery{Event: r.ID + " " + string(r.State), ID: r.ID, State: deliveryState(r.State), At: r.At}
	if r.Code != "" && strings.Trim(r.Code, "0") != "" {
		d.Reason = "network error " + r.Code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.reports[r.ID]; !known {
		s.order = append(s.order, r.ID)
	}
	s.reports[r.ID] = d
	for len(s.order) > maxReports {
		delete(s.reports, s.order[0])
		s.order = s.order[1:]
	}
	return d
}

// Receive implements sdk.Receiver: what a centre has to say comes by the session.
func (s *centre) Receive(context.Context, sdk.Webhook) (sdk.Received, error) {
	return sdk.Received{}, sdk.Unauthorized("a message centre makes no webhooks: this is not from it").Because("NO_WEBHOOKS")
}

// Erase implements sdk.Eraser. The protocol has no way to ask for it; receipts that are
// kept here hold no number.
func (s *centre) Erase(context.Context, sdk.Subject) (sdk.EraseReceipt, error) {
	return sdk.EraseReceipt{
		Done: true, Erased: time.Now().UTC(),
		Detail: "A message centre cannot be told to forget: what it keeps, and for how long, is between you and its operator.",
	}, nil
}

// Discover implements sdk.Discoverer.
func (s *centre) Discover(context.Context) ([]sdk.Stream, error) { return streams(), nil }

// fault is what an error of the client means to the host.
func (s *centre) fault(err error) error {
	var partial *smpp.PartialError
	if errors.As(err, &partial) {
		return sdk.UnknownOutcome("only some parts of the message were taken: sent again, they would come twice").Because("PARTLY_SENT")
	}
	if errors.Is(err, smpp.ErrUnknown) {
		return sdk.UnknownOutcome("the message centre did not answer: it may have taken the message").Because("NO_ANSWER")
	}
	var refused *smpp.StatusError
	if !errors.As(err, &refused) {
		return sdk.RetryAfter(5*time.Second, "the message centre cannot be reached").Because("UNREACHABLE")
	}
	switch refused.Status {
	case smpp.Throttled, smpp.QueueFull:
		return sdk.RetryAfter(max(s.client.Pause(), time.Second), "the message centre takes no more for now").Because("RATE_LIMITED")
	case smpp.InvalidPassword, smpp.InvalidSystemID, smpp.BindFailed:
		return sdk.Unauthorized("the message centre does not let us in: compare system id and password").Because("BAD_CREDENTIALS")
	case smpp.AlreadyBound:
		return sdk.RetryAfter(30*time.Second, "the message centre has a session of this system id already: end it, or wait").Because("ALREADY_BOUND")
	case smpp.InvalidDest:
		return sdk.InvalidRecord("to", "the message centre does not take the number").Because("BAD_NUMBER")
	case smpp.InvalidSource:
		return sdk.InvalidConfig("from", "the message centre does not take the sender").Because("BAD_SENDER")
	case smpp.TemporaryError, 0x08: // a system error of the centre
		return sdk.RetryAfter(10*time.Second, "the message centre has trouble of its own").Because("VENDOR_ERROR")
	}
	if refused.Command == smpp.BindTransceiver {
		return sdk.Unauthorized(fmt.Sprintf("the message centre refuses the session with status %#x", refused.Status)).Because("BIND_REFUSED")
	}
	return sdk.InvalidRecord("", fmt.Sprintf("the message centre does not take the message: status %#x", refused.Status)).Because("REJECTED")
}
