package keyring

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// The errors of tokens. They say nothing about what the token holds.
var (
	errToken   = core.Errorf(core.Invalid, "TOKEN_INVALID", "this link is not valid here: it is cut, changed, or meant for something else; ask for a new one")
	errExpired = core.Errorf(core.Invalid, "TOKEN_EXPIRED", "this link has expired; ask for a new one")
)

// Sign returns a token that holds claims (as JSON, encrypted and authenticated), good
// for one use only ("double-opt-in", "download") and until expires. It has the
// characters of a URL's path: letters, digits, "-", "_" and one ".".
func (r *Ring) Sign(ctx context.Context, ws, use string, claims any, expires time.Time) (string, error) {
	a, err := r.aead(ctx, ws, "token")
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("keyring: claims: %w", err)
	}
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(body)), uint64(expires.UnixMilli()))
	return ws + "." + base64.RawURLEncoding.EncodeToString(seal(a, append(plain, body...), boundTo(ws, use))), nil
}

func boundTo(ws, use string) []byte { return []byte("token\x00" + ws + "\x00" + use) }

// TokenWorkspace returns the workspace that a token says it belongs to. Nothing is
// verified: Verify does it.
func TokenWorkspace(token string) (string, error) {
	ws, _, ok := strings.Cut(token, ".")
	if !ok || core.IDPrefix(ws) != core.PrefixWorkspace {
		return "", errToken
	}
	return ws, nil
}

// Verify decodes the claims of a token that Sign made for the same workspace and use.
// The error is INVALID with the reason TOKEN_INVALID or TOKEN_EXPIRED.
func (r *Ring) Verify(ctx context.Context, ws, use, token string, claims any, now time.Time) error {
	of, text, _ := strings.Cut(token, ".")
	if of != ws {
		return errToken
	}
	// Strict: each token has one spelling only, so that one used once stays used.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return errToken
	}
	// Who makes up a workspace in a link makes nothing in the store.
	if known, err := r.known(ctx, ws, "token"); err != nil || !known {
		if err == nil {
			err = errToken
		}
		return err
	}
	a, err := r.aead(ctx, ws, "token")
	if err != nil {
		return err
	}
	plain, err := open(a, raw, boundTo(ws, use))
	if err != nil || len(plain) < 8 {
		return errToken
	}
	if !now.Before(time.UnixMilli(int64(binary.BigEndian.Uint64(plain)))) {
		return errExpired
	}
	if err := json.Unmarshal(plain[8:], claims); err != nil {
		return fmt.Errorf("keyring: claims: %w", err)
	}
	return nil
}
