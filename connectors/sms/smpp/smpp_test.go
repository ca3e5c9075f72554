package smpp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/connectors/sandbox/sandboxtest"
	"github.com/headwater-cdp/headwater/connectors/sms/smpp"
	"github.com/headwater-cdp/headwater/connectors/sms/smpp/smpptest"
)

// start gives a client of a small centre in this process.
func start(t *testing.T, change ...func(*smpp.Config)) (*smpp.Client, *smpptest.Centre) {
	centre, err := smpptest.Start()
	require.NoError(t, err)
	t.Cleanup(centre.Close)
	cfg := smpp.Config{
		Address: centre.Address(), SystemID: smpptest.SystemID, Password: smpptest.Password, Timeout: 3 * time.Second, Reconnect: 10 * time.Millisecond,
	}
	for _, f := range change {
		f(&cfg)
	}
	client := smpp.Open(cfg)
	t.Cleanup(client.Close)
	return client, centre
}

func text(body string) smpp.Text {
	return smpp.Text{From: "+15550100100", To: "+393331234567", Body: body}
}

func TestAShortTextIsOnePDU(t *testing.T) {
	client, centre := start(t)
	ids, err := client.Submit(t.Context(), text("Ciao €"))
	require.NoError(t, err)
	assert.Equal(t, []string{"m-1"}, ids)
	m := centre.Messages()[0]
	assert.Equal(t, []any{"393331234567", "15550100100", byte(1), byte(0), byte(0)}, []any{m.Dest, m.Source, m.Receipt, m.DataCoding, m.ESMClass})
	assert.Equal(t, []byte("Ciao \x1b\x65"), m.Short)
	for from, ton := range map[string]byte{"Shop": 5, "12345": 3} {
		_, err = client.Submit(t.Context(), smpp.Text{From: from, To: "+39333", Body: "x"})
		require.NoError(t, err)
		assert.Equal(t, ton, centre.Messages()[len(centre.Messages())-1].SourceTON)
	}
}

func TestALongTextGoesInParts(t *testing.T) {
	client, centre := start(t)
	for _, body := range []string{strings.Repeat("a", 307), strings.Repeat("ж", 66) + "😀" + strings.Repeat("ж", 66)} {
		before := len(centre.Messages())
		ids, err := client.Submit(t.Context(), text(body))
		require.NoError(t, err)
		assert.Len(t, ids, 3)
		var whole string
		for i, m := range centre.Messages()[before:] {
			assert.LessOrEqual(t, len(m.Short), 160)
			said, part := m.Text()
			assert.Equal(t, []int{i + 1, 3}, []int{part.Number, part.Of})
			whole += said
		}
		assert.Equal(t, body, whole)
	}
}

func TestThrottledBacksOff(t *testing.T) {
	client, centre := start(t)
	centre.Answer(smpp.Throttled, smpp.QueueFull)
	begun := time.Now()
	_, err := client.Submit(t.Context(), text("x"))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(begun), 600*time.Millisecond, "200 ms, then 400 ms")

	centre.Answer(smpp.Throttled, smpp.Throttled, smpp.Throttled, smpp.Throttled)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = client.Submit(ctx, text("x"))
	var refused *smpp.StatusError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, smpp.Throttled, refused.Status)
	assert.Positive(t, client.Pause())
}

func TestNoAnswerIsUnknownAndNotSentAgain(t *testing.T) {
	client, centre := start(t, func(c *smpp.Config) { c.Timeout = 200 * time.Millisecond })
	for _, how := range []uint32{smpptest.Silent, smpptest.Hangup} {
		before := len(centre.Messages())
		centre.Answer(how)
		_, err := client.Submit(t.Context(), text("x"))
		assert.ErrorIs(t, err, smpp.ErrUnknown)
		_, err = client.Submit(t.Context(), text("next"))
		require.NoError(t, err, "a new session, where one is needed")
		assert.Len(t, centre.Messages(), before+2)
	}
	centre.Answer(smpp.StatusOK, smpp.SubmitFailed)
	ids, err := client.Submit(t.Context(), text(strings.Repeat("a", 200)))
	var partial *smpp.PartialError
	require.ErrorAs(t, err, &partial)
	assert.Len(t, ids, 1)
}

func TestTheWindowHolds(t *testing.T) {
	client, centre := start(t, func(c *smpp.Config) { c.Window = 3 })
	release := centre.Hold()
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			_, err := client.Submit(t.Context(), text("x"))
			assert.NoError(t, err)
		})
	}
	require.Eventually(t, func() bool { _, _, open := centre.Counts(); return open == 3 }, 5*time.Second, time.Millisecond)
	release()
	all.Wait()
	_, _, open := centre.Counts()
	assert.Equal(t, 3, open)
	assert.Len(t, centre.Messages(), 12)
}

func TestTheSessionIsKeptAliveAndMadeAnew(t *testing.T) {
	client, centre := start(t, func(c *smpp.Config) { c.Enquire = 20 * time.Millisecond })
	require.NoError(t, client.Ready(t.Context()))
	require.Eventually(t, func() bool { _, enquiries, _ := centre.Counts(); return enquiries > 2 }, 5*time.Second, time.Millisecond)
	centre.Drop()
	require.Eventually(t, func() bool { binds, _, _ := centre.Counts(); return binds == 2 }, 5*time.Second, time.Millisecond)
	_, err := client.Submit(t.Context(), text("x"))
	require.NoError(t, err)
}

func TestABindThatIsRefusedSaysSo(t *testing.T) {
	client, _ := start(t, func(c *smpp.Config) { c.Password = "wrong" })
	var refused *smpp.StatusError
	require.ErrorAs(t, client.Ready(t.Context()), &refused)
	assert.Equal(t, smpp.InvalidPassword, refused.Status)
	client, centre := start(t, func(c *smpp.Config) { c.Address = "127.0.0.1:1" })
	centre.Close()
	assert.ErrorIs(t, client.Ready(t.Context()), smpp.ErrUnreachable)
	client.Close()
	_, err := client.Submit(t.Context(), text("x"))
	assert.ErrorIs(t, err, smpp.ErrClosed)
}

func TestWhatComesIsAnsweredOnceItIsTaken(t *testing.T) {
	var mu sync.Mutex
	var got []smpp.Message
	full := true
	client, centre := start(t, func(c *smpp.Config) {
		c.Deliver = func(_ context.Context, m smpp.Message) error {
			mu.Lock()
			defer mu.Unlock()
			if full {
				return errors.New("no room")
			}
			got = append(got, m)
			return nil
		}
	})
	require.NoError(t, client.Ready(t.Context()))
	status, err := centre.Report("m-1", smpp.Undeliverable, "011")
	require.NoError(t, err)
	assert.Equal(t, smpp.TemporaryError, status, "the centre keeps it")
	mu.Lock()
	full = false
	mu.Unlock()
	status, err = centre.Report("m-1", smpp.Undeliverable, "011")
	require.NoError(t, err)
	assert.Equal(t, smpp.StatusOK, status)
	r, is := got[0].AsReceipt()
	require.True(t, is)
	assert.Equal(t, smpp.Receipt{ID: "m-1", State: smpp.Undeliverable, Code: "011", At: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}, r)

	_, err = centre.Deliver(smpp.Message{Source: "393331234567", DataCoding: smpp.CodingUCS2, Short: []byte{0x04, 0x21, 0x04, 0x22}})
	require.NoError(t, err)
	_, is = got[1].AsReceipt()
	assert.False(t, is)
	said, _ := got[1].Text()
	assert.Equal(t, "СТ", said)

	tlv := smpp.Message{ESMClass: 4, TLVs: map[uint16][]byte{smpp.TagReceiptedMessageID: []byte("m-9\x00"), smpp.TagMessageState: {2}}}
	r, is = tlv.AsReceipt()
	assert.True(t, is)
	assert.Equal(t, []any{"m-9", smpp.Delivered}, []any{r.ID, r.State})
}

func TestQuery(t *testing.T) {
	client, _ := start(t)
	state, err := client.Query(t.Context(), "m-1", "+15550100100")
	require.NoError(t, err)
	assert.Equal(t, smpp.Delivered, state)
}

func FuzzParseMessage(f *testing.F) {
	f.Add(smpp.Message{Source: "1", Dest: "2", Short: []byte("x"), TLVs: map[uint16][]byte{0x1e: []byte("id")}}.Bytes())
	f.Add([]byte{})
	f.Add(smpp.Message{ESMClass: 0x40, Short: []byte{5, 0, 3, 1, 2, 1, 'x'}}.Bytes())
	f.Fuzz(func(_ *testing.T, b []byte) {
		m, err := smpp.ParseMessage(b)
		if err != nil {
			return
		}
		m.Text()
		m.AsReceipt()
		if _, err := smpp.ParseMessage(m.Bytes()); err != nil {
			panic(err)
		}
	})
}

func TestReadRefusesLengthsThatMakeNoSense(t *testing.T) {
	for _, head := range [][]byte{{0, 0, 0, 1}, {0xff, 0xff, 0xff, 0xff}} {
		_, err := smpp.Read(bytes.NewReader(append(head, make([]byte, 32)...)))
		assert.Error(t, err)
	}
}

// The npm package smpp, as the centre, understands all that is sent, and is understood.
func TestAgainstTheNpmPackage(t *testing.T) {
	cmd := sandboxtest.Command(t, "smpp", "testdata/server.cjs", smpptest.SystemID, smpptest.Password)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(out)
	next := func() map[string]any {
		t.Helper()
		require.True(t, lines.Scan(), "the server ended")
		t.Log(lines.Text())
		var line map[string]any
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line), lines.Text())
		return line
	}
	got := make(chan smpp.Message, 16)
	address := next()["listening"].(string)
	client := smpp.Open(smpp.Config{
		Address: address, SystemID: smpptest.SystemID, Password: smpptest.Password, Enquire: 50 * time.Millisecond, Reconnect: 20 * time.Millisecond,
		Deliver: func(_ context.Context, m smpp.Message) error { got <- m; return nil },
	})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	long := strings.Repeat("Grüße € ", 30)
	for _, body := range []string{"Ciao {€} [x]", "Привет 😀", long} {
		ids, err := client.Submit(ctx, text(body))
		require.NoError(t, err)
		var whole string
		for i := range ids {
			line := next()
			assert.Equal(t, ids[i], line["submitted"])
			assert.Equal(t, "393331234567", line["to"])
			whole += line["text"].(string)
			if len(ids) > 1 {
				udh := line["udh"].([]any)
				assert.Equal(t, []any{0.0, 3.0, float64(len(ids)), float64(i + 1)}, []any{udh[0], udh[1], udh[3], udh[4]})
			}
			m := <-got
			r, is := m.AsReceipt()
			require.True(t, is)
			assert.Equal(t, ids[i], r.ID)
			assert.Equal(t, smpp.Delivered, r.State)
		}
		assert.Equal(t, body, whole)
	}
	_, err = client.Submit(ctx, text("throttle me"))
	require.NoError(t, err, "refused twice, then taken")
	assert.Equal(t, 2.0, next()["refused"])
	<-got

	_, err = client.Submit(ctx, text("reply"))
	require.NoError(t, err)
	next()
	reply := <-got
	if _, is := reply.AsReceipt(); is { // they come in any order
		reply = <-got
	} else {
		<-got
	}
	said, _ := reply.Text()
	assert.Equal(t, []string{"STOP Ä€", "393331234567"}, []string{said, reply.Source})

	_, err = client.Submit(ctx, text("hang up"))
	assert.ErrorIs(t, err, smpp.ErrUnknown)
	next()
	_, err = client.Submit(ctx, text("again"))
	require.NoError(t, err, "over a new session")
	assert.Equal(t, "again", next()["text"])
	state, err := client.Query(ctx, "x", "+15550100100")
	require.NoError(t, err)
	assert.Equal(t, smpp.Delivered, state)

	wrong := smpp.Open(smpp.Config{Address: address, SystemID: smpptest.SystemID, Password: "wrong"})
	defer wrong.Close()
	var refused *smpp.StatusError
	require.ErrorAs(t, wrong.Ready(ctx), &refused)
	assert.Equal(t, smpp.InvalidPassword, refused.Status)
}
