package hubspot

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// scopes are what a person is asked for; those of custom objects and events are not
// in every edition of HubSpot, and are optional.
const (
	scopes = "oauth crm.objects.contacts.read crm.objects.contacts.write crm.objects.companies.read crm.objects.companies.write " +
		"crm.objects.deals.read crm.objects.deals.write crm.schemas.contacts.read crm.lists.read crm.lists.write"
	optionalScopes = "crm.objects.custom.read crm.objects.custom.write crm.schemas.custom.read analytics.behavioral_events.send behavioral_events.event_definitions.read_write"
)

// bearer returns the access token, signing in when there is none. A token that was
// refused is given as stale, so that several calls that meet its end sign in once.
func (c *connection) bearer(ctx context.Context, stale string) (string, error) {
	if c.config.Grant == "private_app" {
		if stale != "" {
			return "", sdk.Unauthorized("HubSpot refuses the access token: it was rotated or revoked; copy it from the private app again").Because("INVALID_TOKEN")
		}
		return c.config.AccessToken, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != "" && c.token != stale {
		return c.token, nil
	}
	if c.config.RefreshToken == "" {
		return "", sdk.Unauthorized("nobody has authorised this connection yet: authorise it").Because("NOT_AUTHORIZED")
	}
	answer, err := c.grant(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.config.RefreshToken}})
	if err != nil {
		return "", err
	}
	if answer.RefreshToken != "" && answer.RefreshToken != c.config.RefreshToken {
		c.config.RefreshToken, c.unsaved = answer.RefreshToken, answer.RefreshToken
	}
	if c.unsaved != "" {
		if err := c.host.SaveSecret(ctx, "refreshToken", c.unsaved); err != nil {
			sdk.Logger(c.host).WarnContext(ctx, "the rotated refresh token is not saved yet; it is tried again at the next sign-in")
		} else {
			c.unsaved = ""
		}
	}
	c.token = answer.AccessToken
	return c.token, nil
}

// tokenAnswer is what the token endpoint says, either way.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Status       string `json:"status"`
}

func (c *connection) grant(ctx context.Context, form url.Values) (*tokenAnswer, error) {
	form.Set("client_id", c.config.ClientID)
	form.Set("client_secret", c.config.ClientSecret)
	res, err := c.http.Do(ctx, vendorhttp.Call{
		Method: http.MethodPost, Path: "/oauth/v1/token", Body: []byte(form.Encode()),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}},
	})
	if err != nil {
		return nil, err
	}
	if res.Status >= 500 || res.Status == http.StatusTooManyRequests {
		defer res.Close()
		return nil, res.Failed()
	}
	var answer tokenAnswer
	if err := res.JSON(&answer); err != nil {
		return nil, err
	}
	if res.OK() && answer.AccessToken != "" {
		return &answer, nil
	}
	switch answer.Status {
	case "BAD_CLIENT_ID":
		return nil, sdk.InvalidConfig("clientId", "HubSpot knows no app with this client ID: copy it from the app again").Because("UNKNOWN_CLIENT")
	case "BAD_CLIENT_SECRET":
		return nil, sdk.InvalidConfig("clientSecret", "HubSpot refuses the client secret: copy it from the app again").Because("WRONG_SECRET")
	}
	return nil, sdk.Unauthorized("the authorisation has ended or was revoked: authorise the connection again").Because("INVALID_GRANT")
}

// AuthorizeURL implements sdk.Authorizer.
func (c *connection) AuthorizeURL(_ context.Context, a sdk.AuthorizeRequest) (string, error) {
	if c.config.Grant != "oauth" {
		return "", sdk.InvalidConfig("grant", "a private app is not authorised by a person: write its access token").Because("NOT_OAUTH")
	}
	query := url.Values{
		"client_id": {c.config.ClientID}, "redirect_uri": {a.RedirectURL}, "state": {a.State}, "scope": {scopes}, "optional_scope": {optionalScopes},
		"code_challenge": {a.Challenge}, "code_challenge_method": {"S256"},
	}
	// HubSpot wants %20 between scopes, not a plus.
	return c.config.AuthorizeURL + "?" + strings.ReplaceAll(query.Encode(), "+", "%20"), nil
}

// Exchange implements sdk.Authorizer.
func (c *connection) Exchange(ctx context.Context, g sdk.Grant) (map[string]string, error) {
	answer, err := c.grant(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {g.Code}, "redirect_uri": {g.RedirectURL}, "code_verifier": {g.Verifier},
	})
	if err != nil {
		return nil, err
	}
	return map[string]string{"refreshToken": answer.RefreshToken}, nil
}
