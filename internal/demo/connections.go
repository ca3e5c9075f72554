package demo

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/sync"
)

// Vendor is an emulator that the demo connects to.
type Vendor struct {
	URL         string            // of its API
	Credentials map[string]string // named as the connector's configuration names them
}

// plan is a connection of the demo.
type plan struct {
	connector, emulator, name string
	config                    map[string]any // beside what vendorConfig puts in
	address                   []string       // properties that hold the vendor's address
	secrets                   []string       // credentials that it needs
	numbers                   []string       // those of them that are numbers
	syncs                     []sync.Sync    // Segment holds the key of one of Definitions
	purposes                  []string
	host, country             string // who gets the data, of a connector that names nobody: the shop's own mail server
}

// every is short, so that somebody who tries the demo sees what happens.
const every = 5 * time.Second

var people = []sync.Field{
	{Remote: "FirstName", Local: "traits.firstName"}, {Remote: "LastName", Local: "traits.lastName"},
	{Remote: "Phone", Local: "traits.phone"},
}

// connectionPlans are the demo's connections: a CRM both ways, another whose list follows a segment,
// an ESP that gets who agreed to marketing, text messages, and e-mail.
var connectionPlans = []plan{
	{
		connector: "salesforce", emulator: "salesforce", name: "Salesforce (emulated)",
		config: map[string]any{"grant": "client_credentials"}, address: []string{"loginUrl"}, secrets: []string{"clientId", "clientSecret"},
		purposes: []string{consent.Operations},
		syncs: []sync.Sync{{
			Name: "Contacts, both ways", Kind: sync.Profiles, Stream: "contacts", Direction: sync.Both, Purpose: consent.Operations,
			Segment: "high-value", Match: "Headwater_Id__c", Every: every,
			Fields: append([]sync.Field{
				{Remote: "Headwater_Id__c", Local: "id", Direction: sync.Push}, {Remote: "Email", Local: "traits.email"},
			}, people...),
		}},
	},
	{
		connector: "hubspot", emulator: "hubspot", name: "HubSpot (emulated)",
		config: map[string]any{"grant": "private_app"}, address: []string{"baseUrl"}, secrets: []string{"accessToken"}, purposes: []string{consent.Operations},
		syncs: []sync.Sync{{
			Name: "Contacts, from HubSpot", Kind: sync.Profiles, Stream: "contacts", Direction: sync.Pull, Every: every,
			Fields: []sync.Field{
				{Remote: "email", Local: "traits.email"}, {Remote: "firstname", Local: "traits.firstName"}, {Remote: "lastname", Local: "traits.lastName"},
			},
		}},
	},
	{
		connector: "klaviyo", emulator: "klaviyo", name: "Klaviyo (emulated)",
		address: []string{"baseUrl"}, secrets: []string{"apiKey"}, purposes: []string{consent.Marketing},
		syncs: []sync.Sync{
			{
				Name: "Loyal people", Kind: sync.Profiles, Stream: "profiles", Direction: sync.Push, Purpose: consent.Marketing, Channel: "EMAIL",
				Segment: "loyal", Match: "email", Every: every,
				Fields: []sync.Field{
					{Remote: "email", Local: "traits.email"}, {Remote: "first_name", Local: "traits.firstName"},
					{Remote: "properties.loyalty_tier", Local: "traits.loyaltyTier"},
				},
			},
			{
				Name: "Loyal people, as a list", Kind: sync.List, List: "Loyal", Direction: sync.Push, Purpose: consent.Marketing, Channel: "EMAIL",
				Segment: "loyal", Match: "email", Every: every, Fields: []sync.Field{{Remote: "email", Local: "traits.email"}},
			},
		},
	},
	{
		connector: "sms", emulator: "twilio", name: "Text messages (emulated)", config: map[string]any{"provider": "twilio"},
		address: []string{"baseUrl"}, secrets: []string{"accountSid", "authToken", "from"}, purposes: []string{consent.Marketing},
	},
	{
		connector: "smtp", emulator: "smtp", name: "E-mail (emulated)",
		secrets: []string{"host", "username", "password", "from", "webhookSecret", "trustedCertificates"}, numbers: []string{"port"},
		purposes: []string{consent.Marketing, consent.Operations}, host: "Example Mail GmbH", country: "DE",
	},
}

// Connected is what became of a connection of the demo.
type Connected struct {
	Name  string
	State sync.ConnectionState
	Fault string // why it does not work; "" when it does
}

// Connect makes the demo's connections to emulators, of those connectors that are installed,
// and checks them. What an earlier start made goes before: its emulators are gone.
func Connect(ctx context.Context, w Workspace, syncs *sync.Service, register *consent.Service, vendors map[string]Vendor) ([]Connected, error) {
	old, err := syncs.ListConnections(ctx, w.ID, core.Window{Limit: 100})
	if err != nil {
		return nil, err
	}
	for _, c := range old.Items {
		for _, p := range connectionPlans {
			if c.Name == p.name {
				if err := syncs.DeleteConnection(ctx, w.ID, c.ConnectionID(), sync.Edit{}); err != nil {
					return nil, fmt.Errorf("remove %s: %w", p.name, err)
				}
			}
		}
	}
	ids, err := w.segments(ctx)
	if err != nil {
		return nil, err
	}
	var out []Connected
	for _, p := range connectionPlans {
		v, there := vendors[p.emulator]
		if !there || syncs.Connector(p.connector) == nil {
			continue
		}
		done, err := p.make(ctx, w, syncs, register, v, ids)
		if err != nil {
			return nil, fmt.Errorf("connect %s: %w", p.name, err)
		}
		out = append(out, *done)
	}
	return out, nil
}

// Config returns the configuration of a connector for an emulator, nil where the demo has
// no connection over it.
func Config(connector string, v Vendor) map[string]any {
	for _, p := range connectionPlans {
		if p.connector == connector {
			return p.configOf(v)
		}
	}
	return nil
}

func (p plan) configOf(v Vendor) map[string]any {
	config := maps.Clone(p.config)
	if config == nil {
		config = map[string]any{}
	}
	for _, name := range p.address {
		config[name] = v.URL
	}
	for _, name := range p.secrets {
		config[name] = v.Credentials[name]
	}
	for _, name := range p.numbers {
		config[name], _ = strconv.Atoi(v.Credentials[name]) // 0 is refused by the connector's schema
	}
	return config
}

func (p plan) make(ctx context.Context, w Workspace, syncs *sync.Service, register *consent.Service, v Vendor, segments map[string]string) (*Connected, error) {
	ws, spec, signed := w.ID, syncs.Connector(p.connector), w.LastDay.AddDate(-1, 0, 0)
	processor, err := register.SetProcessor(ctx, ws, "", "demo:"+p.connector, consent.Processor{
		Name: cmp.Or(p.host, spec.Processor.Name), Country: cmp.Or(p.country, spec.Processor.Country), Purposes: p.purposes, Agreement: "https://example.com/agreements/" + p.connector,
		Categories:        []core.Category{core.Contact, core.IdentifierID, core.Transaction, core.Behaviour, core.Consent},
		AgreementSignedOn: &signed, TransferMechanism: consent.TransferClauses,
	}, consent.Edit{})
	if err != nil {
		return nil, err
	}
	config := p.configOf(v)
	c, err := syncs.CreateConnection(ctx, ws, sync.ConnectionInput{
		Name: p.name, Connector: p.connector, Config: config, Processor: processor.ProcessorID(),
	})
	if err != nil {
		return nil, err
	}
	out := &Connected{Name: p.name}
	c, fault, err := syncs.CheckConnection(ctx, ws, c.ConnectionID())
	if err != nil {
		return nil, err
	}
	if fault != nil {
		out.Fault = fault.Error()
	}
	for _, y := range p.syncs {
		y.Connection, y.Segment = c.ConnectionID(), segments[y.Segment]
		if _, err := syncs.CreateSync(ctx, ws, sync.SyncInput{Sync: y}); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.ToLower(y.Name), err)
		}
	}
	out.State, _, err = syncs.Status(ctx, c)
	return out, err
}
