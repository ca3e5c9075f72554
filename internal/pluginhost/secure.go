package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/hashicorp/go-plugin"

	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// secure is a fresh check of a program's bytes: go-plugin's holds the state of its hash and
// would fail the second time.
func secure(bin *install.Binary) *plugin.SecureConfig {
	return &plugin.SecureConfig{Checksum: bin.Checksum(), Hash: sha256.New()}
}

// canonical is a description in the one form that JSON gives it, so that nil and empty,
// and the spaces of a schema, are the same.
func canonical(s sdk.Spec) any {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	var v map[string]any
	_ = json.Unmarshal(raw, &v) // it was just written
	for name, value := range v {
		if list, ok := value.([]any); value == nil || ok && len(list) == 0 {
			delete(v, name)
		}
	}
	return v
}

// secretKeeper is what a process may ask of us.
type secretKeeper struct{ p *process }

var _ sdk.Host = secretKeeper{}

// SaveSecret implements sdk.Host: it is acknowledged when it is stored.
func (k secretKeeper) SaveSecret(ctx context.Context, property, value string) error {
	if len(value) > longestSecret || len(property) > 200 {
		return sdk.Unsupported("a secret has at most 64 KiB")
	}
	// Each is written to the store: who saves without end must not keep it busy.
	if !k.p.saves.Allow() {
		return &sdk.Fault{Kind: sdk.FaultRetry, Origin: sdk.FromHost, Reason: "TOO_MANY_SECRETS", After: time.Second, Message: "secrets are saved too often; the last one that was acknowledged is the stored one"}
	}
	k.p.redact.learn(value)
	if k.p.dial.SaveSecret == nil {
		return sdk.Unsupported("no secret can be stored here")
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return toSDK(k.p.dial.SaveSecret(ctx, property, value))
}

const (
	longestSecret = 64 << 10
	savesBurst    = 20 // of secrets at once; then one a second
)

// rate passes on what the vendor said of its limits.
func (p *process) rate(r *sdk.Rates) {
	if last := r.Last(); last != nil && p.dial.Rate != nil {
		p.dial.Rate(rateOf(*last))
	}
}
