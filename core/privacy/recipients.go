package privacy

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/consent"
)

// Recipient is who gets data of people.
type Recipient struct {
	Name       string     `json:"name"`
	Country    string     `json:"country,omitempty"`
	Agreement  string     `json:"agreement,omitempty"` // where it is found
	SignedOn   *time.Time `json:"agreementSignedOn,omitempty"`
	Expires    *time.Time `json:"agreementExpires,omitempty"`
	Transfer   string     `json:"transferMechanism,omitempty"`
	Categories []string   `json:"categoriesOfData,omitempty"`
	Purposes   []string   `json:"purposes,omitempty"` // with those below them; nil: it is not known for which
}

// RecipientsFrom lists the processors of a consent service's register with whom the work
// has not ended.
func RecipientsFrom(s *consent.Service) func(ctx context.Context, ws string) ([]Recipient, error) {
	return func(ctx context.Context, ws string) ([]Recipient, error) {
		list, err := s.Processors(ctx, ws)
		out := []Recipient{}
		for _, p := range list {
			if p.Archived {
				continue
			}
			one := Recipient{
				Name: p.Name, Country: p.Country, Agreement: p.Agreement, SignedOn: p.AgreementSignedOn, Expires: p.AgreementExpires,
				Purposes: append([]string{}, p.Purposes...),
			}
			if p.TransferMechanism != consent.TransferNone {
				one.Transfer = p.TransferMechanism
			}
			for _, c := range p.Categories {
				one.Categories = append(one.Categories, string(c))
			}
			out = append(out, one)
		}
		return out, err
	}
}

// recipients lists who gets data of a workspace's people: who is registered, and where
// it is sent.
func (d *Desk) recipients(ctx context.Context, ws string) ([]Recipient, error) {
	out := []Recipient{}
	if d.o.Recipients != nil {
		var err error
		if out, err = d.o.Recipients(ctx, ws); err != nil {
			return nil, err
		}
	}
	list, err := d.destinations(ctx, ws)
	for _, dest := range list {
		if !slices.ContainsFunc(out, func(r Recipient) bool { return r.Name == dest.Name() }) {
			out = append(out, Recipient{Name: dest.Name()})
		}
	}
	return out, err
}

// worksFor reports whether data may go to the recipient for a purpose of which chain is
// the purpose itself and all above it.
func (r Recipient) worksFor(chain []string) bool {
	return r.Purposes == nil || slices.ContainsFunc(chain, func(key string) bool { return slices.Contains(r.Purposes, key) })
}
