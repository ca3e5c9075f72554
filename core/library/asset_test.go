package library_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/library"
)

func picture(t *testing.T, size int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	r := rand.New(rand.NewPCG(1, uint64(size)))
	for i := range img.Pix {
		img.Pix[i] = byte(r.Uint32())
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

func TestAssets(t *testing.T) {
	r := newRig(t)
	data := picture(t, 900) // some 3 MB: several chunks
	require.Greater(t, len(data), 2<<20)
	_, err := r.Upload(r.cora, ws, library.Upload{Name: "x"}, bytes.NewReader(data))
	requireReason(t, err, core.Forbidden, "ROLE")
	a, err := r.Upload(r.ana, ws, library.Upload{Name: "Header.html", Tags: []string{"spring", " "}}, bytes.NewReader(data))
	require.NoError(t, err)
	sum := sha256.Sum256(data)
	v := a.Newest()
	require.Equal(t, hex.EncodeToString(sum[:]), v.Hash)
	require.Equal(t, "image/png", v.Type, "its bytes say so, not its name")
	require.Equal(t, []string{"spring"}, a.Tags)
	f, err := r.Content(t.Context(), ws, v.Hash)
	require.NoError(t, err)
	require.Equal(t, data, f.Data)
	f, err = r.Content(t.Context(), "ws_OTHER00001", v.Hash)
	require.NoError(t, err)
	require.Nil(t, f, "another workspace has it not")

	again, err := r.Upload(r.ben, ws, library.Upload{Name: "Header.html", Tags: []string{"spring"}}, bytes.NewReader(data))
	require.NoError(t, err)
	require.Equal(t, a.ID, again.ID, "the same upload twice")
	require.EqualValues(t, 1, again.Number)
	next, err := r.Upload(r.ana, ws, library.Upload{ID: a.AssetID()}, bytes.NewReader(picture(t, 10)))
	require.NoError(t, err)
	require.EqualValues(t, 2, next.Number)
	f, err = r.Content(t.Context(), ws, v.Hash)
	require.NoError(t, err)
	require.NotNil(t, f, "what was sent still shows the old one")

	for name, c := range map[string]struct {
		body   string
		reason string
	}{
		"svg":    {`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`, "ASSET_TYPE"},
		"xml":    {`<?xml version="1.0"?><svg/>`, "ASSET_TYPE"},
		"html":   {`<!DOCTYPE html><p>x</p>`, "ASSET_TYPE"},
		"script": {"alert(1)", "ASSET_TYPE"},
		"empty":  {"", "ASSET_TYPE"},
		"large":  {"\x89PNG\r\n\x1a\n" + strings.Repeat("x", library.MaxAsset), "ASSET_SIZE"},
	} {
		_, err := r.Upload(r.ana, ws, library.Upload{Name: name + ".png"}, strings.NewReader(c.body))
		requireReason(t, err, core.Invalid, c.reason)
	}

	tpl := r.create(mail("Hello", `<img src="`+library.AssetPath(ws, v.Hash)+`" alt="x">`))
	_, err = r.ArchiveAsset(r.ana, ws, a.AssetID(), library.Edit{})
	requireReason(t, err, core.Conflict, "IN_USE")
	c := mail("Hello", "<p>x</p>")
	_, err = r.Update(r.ana, ws, library.Update{ID: tpl.TemplateID(), Content: &c})
	require.NoError(t, err)
	gone, err := r.ArchiveAsset(r.ana, ws, a.AssetID(), library.Edit{})
	require.NoError(t, err)
	require.True(t, gone.Archived)
}
