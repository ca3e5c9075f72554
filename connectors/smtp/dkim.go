package smtp

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// leastBits is the shortest RSA key that verifiers take (RFC 8301, 3.2).
const leastBits = 1024

// signer reads the DKIM key of a configuration; nil when there is none.
func signer(c config) (crypto.Signer, error) {
	if c.DKIMDomain == "" && c.DKIMSelector == "" && c.DKIMKey == "" {
		return nil, nil
	}
	for _, p := range [][2]string{{"dkimDomain", c.DKIMDomain}, {"dkimSelector", c.DKIMSelector}, {"dkimPrivateKey", c.DKIMKey}} {
		if p[1] == "" {
			return nil, sdk.InvalidConfig(p[0], "DKIM needs domain, selector and private key")
		}
	}
	refused := sdk.InvalidConfig("dkimPrivateKey", "give an RSA or Ed25519 key as PEM, not encrypted").Because("BAD_KEY")
	block, _ := pem.Decode([]byte(c.DKIMKey))
	if block == nil {
		return nil, refused
	}
	var key any
	var err error
	if block.Type == "RSA PRIVATE KEY" {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, refused
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < leastBits {
			return nil, sdk.InvalidConfig("dkimPrivateKey", fmt.Sprintf("an RSA key has %d bits at least, 2048 best", leastBits)).Because("SHORT_KEY")
		}
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, refused
}

// signedOnce are fields that must not be added to a message afterwards: each stands in the
// signature once more than in the message. What is not there counts too.
var signedOnce = []string{"From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}

// sign puts a signature before a message. more names its other fields, List-Unsubscribe and
// List-Unsubscribe-Post among them: RFC 8058 demands that both are covered.
func (c *connection) sign(message []byte, there, more []string) ([]byte, error) {
	if c.signer == nil {
		return message, nil
	}
	keys := append([]string{}, there...)
	keys = append(append(append(keys, signedOnce...), more...), more...)
	s, err := dkim.NewSigner(&dkim.SignOptions{
		Domain: c.config.DKIMDomain, Selector: c.config.DKIMSelector, Signer: c.signer, Hash: crypto.SHA256,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed, HeaderKeys: keys,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the signature: %w", err)
	}
	if _, err := s.Write(message); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := s.Close(); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return bytes.Join([][]byte{[]byte(s.Signature()), message}, nil), nil
}
