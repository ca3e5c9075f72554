package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/headwater-cdp/headwater/core"
)

// issuer knows the present keys of one issuer. go-oidc's own set of keys would go on
// believing a key that the issuer withdrew, and would ask the issuer for every token
// that somebody makes up; this one reads again every Fresh, and for an unknown key at
// most every eager.
type issuer struct {
	name   string
	o      OIDCOptions
	flight singleflight.Group

	mu   sync.Mutex
	keys *keySet
	url  string    // of the keys, as discovery says
	last time.Time // when a reading last began
	err  error     // of that reading
}

// keySet is what an issuer published at a moment.
type keySet struct {
	keys []jose.JSONWebKey
	read time.Time
}

const (
	eager     = 10 * time.Second // between readings because of an unknown key
	retry     = 2 * time.Second  // between readings of an issuer that does not answer
	maxJWKS   = 1 << 20
	maxKeys   = 100
	leastBits = 2048 // of an RSA key
)

func newIssuer(name string, o OIDCOptions) *issuer { return &issuer{name: name, o: o} }

// ready returns the keys, fresh ones where they can be had.
func (i *issuer) ready(ctx context.Context) (*keySet, error) {
	now := i.o.Clock.Now()
	i.mu.Lock()
	keys := i.keys
	i.mu.Unlock()
	if keys != nil && now.Sub(keys.read) < i.o.Fresh {
		return keys, nil
	}
	fresh, err := i.read(ctx, retry)
	switch {
	case err == nil:
		return fresh, nil
	case keys != nil && now.Sub(keys.read) < i.o.Stale:
		return keys, nil // the issuer is away for a moment: its members need not be
	}
	return nil, err
}

// read asks the issuer, unless it was asked less than pause ago.
func (i *issuer) read(ctx context.Context, pause time.Duration) (*keySet, error) {
	i.mu.Lock()
	if now := i.o.Clock.Now(); !i.last.IsZero() && now.Sub(i.last) < pause && now.Sub(i.last) >= 0 {
		defer i.mu.Unlock()
		if i.keys == nil || i.err != nil {
			return nil, errors.Join(i.err, errIssuerDown)
		}
		return i.keys, nil
	}
	i.mu.Unlock()
	asked := i.flight.DoChan("", func() (any, error) {
		// Those who ask share one reading, which does not end with the first one's request.
		return i.fetch(context.WithoutCancel(ctx))
	})
	select {
	case r := <-asked:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*keySet), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (i *issuer) fetch(ctx context.Context) (*keySet, error) {
	i.mu.Lock()
	i.last = i.o.Clock.Now()
	begun, at := i.last, i.url
	i.mu.Unlock()
	keys, at, err := i.ask(ctx, at)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		i.o.Logger.Warn("access: an issuer does not give its keys", "issuer", i.name, "error", err.Error())
		i.err, i.url = errIssuerDown.Wrap(err), ""
		return nil, i.err
	}
	i.err, i.url = nil, at
	i.keys = &keySet{keys, begun}
	return i.keys, nil
}

// ask discovers where the keys are, unless at says so, and reads them.
func (i *issuer) ask(ctx context.Context, at string) (keys []jose.JSONWebKey, from string, err error) {
	if at == "" {
		p, err := oidc.NewProvider(oidc.ClientContext(ctx, i.o.Client), i.name)
		if err != nil {
			return nil, "", fmt.Errorf("discover: %w", err)
		}
		var found struct {
			Keys string `json:"jwks_uri"`
		}
		if err := p.Claims(&found); err != nil {
			return nil, "", fmt.Errorf("discover: %w", err)
		}
		u, err := url.Parse(found.Keys)
		if err != nil || !safe(u) {
			return nil, "", errors.New("discover: jwks_uri is not an https URL")
		}
		at = found.Keys
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, "", fmt.Errorf("read keys: %w", err)
	}
	resp, err := i.o.Client.Do(r)
	if err != nil {
		return nil, "", fmt.Errorf("read keys: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("read keys: status %d: %w", resp.StatusCode, errors.Join(err, errors.New("no list of keys")))
	}
	keys, err = parseKeys(body)
	return keys, at, err
}

// parseKeys returns the keys that can verify signatures. One that is not understood,
// private, secret or weak spoils only itself.
func parseKeys(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || !k.Valid() || k.Use == "enc" || len(keys) == maxKeys {
			continue
		}
		switch key := k.Key.(type) {
		case *rsa.PublicKey:
			if key.N.BitLen() < leastBits {
				continue
			}
		case *ecdsa.PublicKey, ed25519.PublicKey:
		default:
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("read keys: none of them verifies signatures")
	}
	return keys, nil
}

// keysOnce verifies one token, with the keys at hand and, when none fits, with those
// that the issuer has by now.
type keysOnce struct {
	issuer *issuer
	keys   *keySet
	down   error // why the issuer could not be asked
}

var _ oidc.KeySet = (*keysOnce)(nil)

// VerifySignature implements oidc.KeySet.
func (k *keysOnce) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	algs := make([]jose.SignatureAlgorithm, len(algorithms))
	for i, a := range algorithms {
		algs[i] = jose.SignatureAlgorithm(a)
	}
	jws, err := jose.ParseSignedCompact(token, algs)
	if err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	payload, named := k.keys.verify(jws)
	if payload != nil {
		return payload, nil
	}
	// An issuer may also give a new key an old name.
	next, err := k.issuer.read(ctx, eager)
	switch {
	case err != nil && named:
		return nil, errors.New("access: the key that the token names did not sign it")
	case err != nil:
		// Whether the key exists is not known: that is not the caller's fault.
		k.down = core.AsError(err)
		return nil, err
	}
	if payload, _ = next.verify(jws); payload != nil {
		return payload, nil
	}
	return nil, errors.New("access: none of the issuer's keys signed it")
}

// verify returns what a token says when one of the keys signed it, and whether it
// names a key that is in the set. Several keys may have one name.
func (s *keySet) verify(jws *jose.JSONWebSignature) (payload []byte, named bool) {
	if len(jws.Signatures) != 1 {
		return nil, false
	}
	head := jws.Signatures[0].Header
	for i := range s.keys {
		k := &s.keys[i]
		if head.KeyID != "" && k.KeyID != head.KeyID {
			continue
		}
		named = named || head.KeyID != ""
		if k.Algorithm != "" && k.Algorithm != head.Algorithm {
			continue
		}
		if payload, err := jws.Verify(k.Key); err == nil {
			return payload, true
		}
	}
	return nil, named
}
