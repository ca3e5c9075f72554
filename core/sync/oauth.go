package sync

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// authorizeFor is how long somebody has to agree at the vendor.
const authorizeFor = 10 * time.Minute

func grantKey(ws, state string) string {
	sum := sha256.Sum256([]byte("oauth\x00" + state))
	return store.Key(ws, hex.EncodeToString(sum[:16]))
}

// Authorize returns the address where a person agrees that we may connect. Whoever comes
// back from there to CallbackPath ends it; returnURL, an address of this server's own or a path,
// is where they are sent then.
func (s *Service) Authorize(ctx context.Context, ws, id, returnURL string) (string, error) {
	if err := connect(ctx); err != nil {
		return "", err
	}
	c, err := s.mustConnection(ctx, ws, id)
	if err != nil {
		return "", err
	}
	spec := s.Connector(c.Connector)
	if spec == nil || !spec.OAuth {
		return "", core.Errorf(core.Conflict, "NO_OAUTH", "this connector is configured with secrets, not by sending somebody to the vendor")
	}
	if s.URL() == "" {
		return "", core.Errorf(core.Conflict, "PUBLIC_URL", "the vendor must be told where to send people back: the operator sets --public-url")
	}
	if returnURL != "" && !s.own(returnURL) {
		return "", core.Errorf(core.Invalid, "RETURN_URL", "people are sent back to this server only: give a path").At("returnUrl")
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	verifier := base64.RawURLEncoding.EncodeToString(raw[:])
	_, _ = rand.Read(raw[:])
	// The workspace is in the state, so that the callback, which has no key, finds the grant.
	state := ws + "." + base64.RawURLEncoding.EncodeToString(raw[:])
	g := &Grant{
		Meta: store.Meta{ID: grantKey(ws, state)}, Connection: id, Redirect: s.URL() + CallbackPath, Return: returnURL,
		By: actor(ctx), Expires: s.now().Add(authorizeFor),
	}
	if g.Verifier, err = s.Keys.Seal(ctx, ws, []byte(verifier), []byte(g.ID)); err != nil {
		return "", err
	}
	in, _, err := s.dial(ctx, c)
	if err != nil {
		return "", outside(err)
	}
	sum := sha256.Sum256([]byte(verifier))
	address, err := in.AuthorizeURL(ctx, g.Redirect, state, base64.RawURLEncoding.EncodeToString(sum[:]))
	if err != nil {
		return "", outside(err)
	}
	if err := s.web(address); err != nil {
		return "", err
	}
	err = s.commit(ctx, &audit.Entry{Workspace: ws, Action: "connection.authorize", Resource: id}, Grants.Insert(g))
	return address, storeError("begin the authorization", err)
}

// own reports whether an address is one of this server's.
func (s *Service) own(address string) bool {
	u, err := url.Parse(address)
	if err != nil || strings.ContainsAny(address, "\\\r\n\t") {
		return false
	}
	if u.Scheme == "" && u.Host == "" {
		return strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//")
	}
	base, err := url.Parse(s.URL())
	return err == nil && u.Scheme == base.Scheme && u.Host == base.Host && u.User == nil
}

// Callback ends an authorization with what the vendor sent back, once, and returns where the
// person goes on; "" where nobody said.
func (s *Service) Callback(ctx context.Context, state, code, problem string) (string, error) {
	bad := core.Errorf(core.Invalid, "AUTHORIZATION", "this authorization is unknown, used or too old; begin again with authorizeConnection")
	ws, _, ok := strings.Cut(state, ".")
	if !ok || core.IDPrefix(ws) != core.PrefixWorkspace || len(state) > 200 {
		return "", bad
	}
	ctx = core.WithActor(ctx, access.System(ws, "oauth"))
	g, err := Grants.Get(ctx, s.Store, grantKey(ws, state))
	if err != nil {
		return "", storeError("read the authorization", err)
	}
	if g == nil || s.now().After(g.Expires) {
		return "", bad
	}
	// Used up before it is tried: a code that is sent twice is somebody else's second.
	if err := work.Commit(ctx, s.Store, Grants.Delete(g)); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return "", bad
		}
		return "", storeError("use the authorization", err)
	}
	if problem != "" || code == "" {
		return "", core.Errorf(core.Conflict, "REFUSED", "the vendor did not authorize this; begin again with authorizeConnection and agree there")
	}
	c, err := s.mustConnection(ctx, ws, g.Connection)
	if err != nil {
		return "", err
	}
	verifier, err := s.Keys.Open(ctx, ws, g.Verifier, []byte(g.ID))
	if err != nil {
		return "", err
	}
	in, spec, err := s.dial(ctx, c)
	if err != nil {
		return "", outside(err)
	}
	secrets, err := in.Exchange(ctx, code, g.Redirect, string(verifier))
	if err != nil {
		return "", outside(err)
	}
	props := propertiesOf(spec)
	_, err = s.change(core.WithActor(ctx, access.System(ws, "oauth")), ws, g.Connection, "connection.authorized", Edit{}, func(c *Connection) error {
		config, err := s.config(ctx, c)
		if err != nil {
			return err
		}
		next := maps.Clone(config)
		for name, v := range secrets {
			if _, known := props[name]; !known {
				return core.Errorf(core.Internal, "SECRET", "the connector gave a property that its schema does not know")
			}
			next[name] = v
		}
		if err := s.fits(ctx, spec, next); err != nil {
			return err
		}
		return s.put(ctx, c, spec, next)
	})
	return g.Return, err
}
