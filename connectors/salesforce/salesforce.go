// Package salesforce is the connector for Salesforce: leads, contacts, accounts,
// opportunities and custom objects, both ways.
//
// Reading polls SystemModstamp and takes deletions along; a first load of many
// records is a Bulk API 2.0 query. Writing is by composite collections of 200, found
// by an external id so that a repeated write leaves one record, or by a Bulk ingest
// job when the host allows it. A spent daily limit parks the connection.
package salesforce

import (
	"context"
	_ "embed"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

//go:embed config.schema.json
var configSchema []byte

// Connector is the connector; it has no state.
type Connector struct{}

var _ sdk.Connector = Connector{}

// Spec implements sdk.Connector.
func (Connector) Spec() sdk.Spec {
	return sdk.Spec{
		Name:         "salesforce",
		Version:      "v1.0.0",
		Title:        "Salesforce",
		Description:  "Leads, contacts, accounts, opportunities and custom objects, both ways.",
		Kinds:        []sdk.Kind{sdk.Source, sdk.Destination},
		ConfigSchema: configSchema,
		Capabilities: []sdk.Capability{sdk.CanPull, sdk.CanUpsert, sdk.CanDelete, sdk.CanErase, sdk.DedupesUpserts},
		Limits:       sdk.Limits{BatchItems: 2000, BatchBytes: 8 << 20, Concurrency: 4, MemoryMiB: 512},
		Hosts:        []string{"config:loginUrl", "*.salesforce.com", "*.force.com"},
		Categories:   []string{"IDENTIFIER", "CONTACT", "DEMOGRAPHIC", "BEHAVIOUR", "TRANSACTION", "LOCATION", "INFERRED", "FREE_TEXT", "CONSENT"},
		Processor:    sdk.Processor{Name: "Salesforce, Inc.", Country: "US", URL: "https://www.salesforce.com/company/legal/agreements/"},
		OAuth:        true,
	}
}

// config is the configuration, as its schema says.
type config struct {
	LoginURL     string `json:"loginUrl"`
	Grant        string `json:"grant"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	Username     string `json:"username"`
	PrivateKey   string `json:"privateKey"`
	RefreshToken string `json:"refreshToken"`
	External     string `json:"externalIdField"`
	Version      string `json:"apiVersion"`
}

// connection is one organisation.
type connection struct {
	config config
	host   sdk.Host
	login  *vendorhttp.Client

	mu      sync.Mutex // guards what follows
	session *session
	unsaved string // a rotated refresh token that the host has not kept yet

	shapesMu sync.Mutex
	shapes   map[string]*shape // by the object's name
}

var (
	_ sdk.Connection = (*connection)(nil)
	_ sdk.Discoverer = (*connection)(nil)
	_ sdk.Puller     = (*connection)(nil)
	_ sdk.Upserter   = (*connection)(nil)
	_ sdk.Eraser     = (*connection)(nil)
	_ sdk.Authorizer = (*connection)(nil)
)

// Open implements sdk.Connector.
func (Connector) Open(_ context.Context, raw sdk.Config, host sdk.Host) (sdk.Connection, error) {
	c := config{Grant: "refresh_token", LoginURL: "https://login.salesforce.com", External: "Headwater_Id__c", Version: "62.0"}
	if err := raw.Into(&c); err != nil {
		return nil, err
	}
	login, err := vendorhttp.New("Salesforce", "loginUrl", c.LoginURL)
	if err != nil {
		return nil, err
	}
	switch {
	case c.ClientID == "":
		return nil, sdk.InvalidConfig("clientId", "write the connected app's consumer key")
	case c.Grant != "jwt_bearer" && c.ClientSecret == "":
		return nil, sdk.InvalidConfig("clientSecret", "write the connected app's consumer secret")
	case c.Grant == "jwt_bearer" && c.Username == "":
		return nil, sdk.InvalidConfig("username", "write the user as whom we work")
	case !fieldName.MatchString(c.External):
		return nil, sdk.InvalidConfig("externalIdField", "write the API name of a custom field, such as Headwater_Id__c")
	}
	switch c.Grant {
	case "refresh_token", "client_credentials":
	case "jwt_bearer":
		if _, err := privateKey(c.PrivateKey); err != nil {
			return nil, err
		}
	default:
		return nil, sdk.InvalidConfig("grant", "one of refresh_token, client_credentials, jwt_bearer")
	}
	return &connection{config: c, host: host, login: login, shapes: map[string]*shape{}}, nil
}

// Check implements sdk.Connection: it signs in and looks at an object that everybody
// has.
func (c *connection) Check(ctx context.Context) error {
	c.forget()
	_, err := c.shape(ctx, "Contact")
	return err
}

// Close implements sdk.Connection.
func (c *connection) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.login.Close()
	if c.session != nil {
		c.session.http.Close()
	}
	return nil
}

// overlap is how far behind the last look a pull of changes begins: a transaction
// that takes long is seen with the time when it began.
const overlap = 2 * time.Minute
