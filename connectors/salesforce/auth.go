package salesforce

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// session is an access token and the instance that it is for.
type session struct {
	token string
	http  *vendorhttp.Client
}

// signedIn returns the session, signing in when there is none. A session that was
// refused is given as stale, so that several calls that meet its end sign in once.
func (c *connection) signedIn(ctx context.Context, stale *session) (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil && c.session != stale {
		return c.session, nil
	}
	form, err := c.grant()
	if err != nil {
		return nil, err
	}
	answer, err := c.token(ctx, form)
	if err != nil {
		return nil, err
	}
	instance, err := c.instance(answer.InstanceURL)
	if err != nil {
		return nil, err
	}
	if answer.RefreshToken != "" && c.config.Grant == "refresh_token" {
		c.config.RefreshToken, c.unsaved = answer.RefreshToken, answer.RefreshToken
	}
	if c.unsaved != "" {
		// The old one may be dead: without this the connection would not survive a restart.
		if err := c.host.SaveSecret(ctx, "refreshToken", c.unsaved); err != nil {
			sdk.Logger(c.host).WarnContext(ctx, "the rotated refresh token is not saved yet; it is tried again at the next sign-in")
		} else {
			c.unsaved = ""
		}
	}
	if c.session != nil {
		c.session.http.Close()
	}
	c.session = &session{token: answer.AccessToken, http: instance}
	return c.session, nil
}

// forget signs out here, so that the next call proves the credentials.
func (c *connection) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil {
		c.session.http.Close()
	}
	c.session = nil
	c.shapesMu.Lock()
	defer c.shapesMu.Unlock()
	clear(c.shapes)
}

// instance is a client of the instance that the token endpoint named. It is trusted
// only where a token is expected: where we signed in, or with the vendor.
func (c *connection) instance(address string) (*vendorhttp.Client, error) {
	u, err := url.Parse(address)
	login, _ := url.Parse(c.login.Base()) // it was made of a URL
	if err != nil || u.Host != login.Host && (u.Scheme != "https" || !strings.HasSuffix(u.Hostname(), ".salesforce.com") && !strings.HasSuffix(u.Hostname(), ".force.com")) {
		return nil, &sdk.Fault{Kind: sdk.FaultInvalidConfig, Origin: sdk.FromVendor, Path: "loginUrl", Reason: "FOREIGN_INSTANCE",
			Message: "the login address names an instance that is not Salesforce's; check the login address"}
	}
	return vendorhttp.New("Salesforce", "loginUrl", address)
}

// grant is the form of the configured grant.
func (c *connection) grant() (url.Values, error) {
	form := url.Values{"client_id": {c.config.ClientID}, "client_secret": {c.config.ClientSecret}}
	switch c.config.Grant {
	case "client_credentials":
		form.Set("grant_type", "client_credentials")
	case "jwt_bearer":
		assertion, err := c.assertion(time.Now())
		if err != nil {
			return nil, err
		}
		return url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}, nil
	default:
		if c.config.RefreshToken == "" {
			return nil, sdk.Unauthorized("nobody has authorised this connection yet: authorise it").Because("NOT_AUTHORIZED")
		}
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", c.config.RefreshToken)
	}
	return form, nil
}

// tokenAnswer is what the token endpoint says, either way.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	InstanceURL  string `json:"instance_url"`
	Error        string `json:"error"`
}

func (c *connection) token(ctx context.Context, form url.Values) (*tokenAnswer, error) {
	res, err := c.login.Do(ctx, vendorhttp.Call{
		Method: http.MethodPost, Path: "/services/oauth2/token", Body: []byte(form.Encode()),
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
	if !res.OK() || answer.AccessToken == "" {
		return nil, refused(answer.Error, c.config.Grant)
	}
	return &answer, nil
}

// refused says what to do about an error of the token endpoint.
func refused(code, grant string) error {
	switch code {
	case "invalid_client_id":
		return sdk.InvalidConfig("clientId", "Salesforce knows no connected app with this consumer key; a new app takes ten minutes to be known").Because("UNKNOWN_CLIENT")
	case "invalid_client", "invalid_client_credentials":
		return sdk.InvalidConfig("clientSecret", "Salesforce refuses the consumer secret: copy it from the connected app again").Because("WRONG_SECRET")
	case "invalid_grant":
		switch grant {
		case "jwt_bearer":
			return sdk.Unauthorized("Salesforce refuses the signed token: check that the certificate of the private key is in the connected app, that the username is right, that the app is approved for that user, and that the clock of this server is right").Because("INVALID_GRANT")
		case "client_credentials":
			return sdk.Unauthorized("Salesforce refuses client credentials: name a run-as user in the connected app").Because("INVALID_GRANT")
		}
		return sdk.Unauthorized("the authorisation has ended or was revoked: authorise the connection again").Because("INVALID_GRANT")
	case "unsupported_grant_type", "unauthorized_client":
		return sdk.InvalidConfig("grant", "the connected app does not allow this way to sign in: allow it there, or choose another").Because("GRANT_NOT_ALLOWED")
	}
	return sdk.Unauthorized("Salesforce does not let us in: check the connected app").Because("REFUSED")
}

// assertion is a token that we sign: RS256, for three minutes.
func (c *connection) assertion(now time.Time) (string, error) {
	key, err := privateKey(c.config.PrivateKey)
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": c.config.ClientID, "sub": c.config.Username, "aud": c.login.Base(), "exp": now.Add(3 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"RS256"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", sdk.InvalidConfig("privateKey", "the key cannot sign: it needs at least 2048 bits")
	}
	return signed + "." + encode(signature), nil
}

// privateKey reads an RSA key in either PEM form.
func privateKey(text string) (*rsa.PrivateKey, error) {
	bad := sdk.InvalidConfig("privateKey", "write an RSA private key in PEM form, with its first and last line")
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, bad
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, bad
	}
	if key, ok := key.(*rsa.PrivateKey); ok {
		return key, nil
	}
	return nil, bad
}

// AuthorizeURL implements sdk.Authorizer.
func (c *connection) AuthorizeURL(_ context.Context, a sdk.AuthorizeRequest) (string, error) {
	return c.login.Base() + "/services/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {c.config.ClientID}, "redirect_uri": {a.RedirectURL}, "state": {a.State},
		"code_challenge": {a.Challenge}, "code_challenge_method": {"S256"}, "scope": {"api refresh_token"},
	}.Encode(), nil
}

// Exchange implements sdk.Authorizer.
func (c *connection) Exchange(ctx context.Context, g sdk.Grant) (map[string]string, error) {
	answer, err := c.token(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {g.Code}, "redirect_uri": {g.RedirectURL}, "code_verifier": {g.Verifier},
		"client_id": {c.config.ClientID}, "client_secret": {c.config.ClientSecret},
	})
	if err != nil {
		return nil, err
	}
	if answer.RefreshToken == "" {
		return nil, sdk.Unauthorized(`Salesforce gave no refresh token: grant the connected app the scope "refresh_token, offline_access"`).Because("MISSING_SCOPE")
	}
	return map[string]string{"refreshToken": answer.RefreshToken}, nil
}
