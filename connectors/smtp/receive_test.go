package smtp_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	sink "github.com/headwater-cdp/headwater/connectors/sandbox/smtp"
	"github.com/headwater-cdp/headwater/connectors/smtp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func told(t *testing.T, conn sdk.Connection, body []byte) []sdk.Delivery {
	t.Helper()
	now := time.Now()
	got, err := conn.(sdk.Receiver).Receive(t.Context(), sdk.Webhook{
		Body: body, At: now, Header: http.Header{smtp.SignatureHeader: {smtp.Sign(sink.WebhookSecret, body, now)}},
	})
	require.NoError(t, err)
	return got.Deliveries
}

func TestReportsTellWhatBecameOfAMessage(t *testing.T) {
	s, conn := connect(t, sink.Options{}, "verp", true)
	sent, fault := send(t, conn, letter())
	require.Nil(t, fault)
	mail, now := s.Mails()[0], time.Now()
	for status, want := range map[string]sdk.DeliveryState{
		"5.1.1": sdk.DeliveryHardBounced, "5.2.2": sdk.DeliverySoftBounced, "4.4.7": sdk.DeliverySoftBounced, "5.7.1": sdk.DeliveryFailed,
	} {
		got := told(t, conn, sink.Bounce(mail, status, now))
		require.Len(t, got, 1, status)
		assert.Equal(t, []any{key, sent.ID, want}, []any{got[0].Key, got[0].ID, got[0].State}, status)
		assert.Contains(t, got[0].Reason, status)
		assert.NotContains(t, got[0].Reason, "ana")
		assert.Equal(t, got, told(t, conn, sink.Bounce(mail, status, now)), "again")
	}
	assert.Equal(t, sdk.DeliveryComplained, told(t, conn, sink.Complaint(mail, now))[0].State)

	bare := mail // which returns nothing of the mail: the address of the envelope tells
	bare.Raw = []byte("Subject: x\r\n\r\n")
	got := told(t, conn, sink.Bounce(bare, "5.1.1", now))
	require.Len(t, got, 1)
	assert.Equal(t, key, got[0].Key)

	delayed := bytes.Replace(sink.Bounce(mail, "4.4.1", now), []byte("Action: failed"), []byte("Action: delayed"), 1)
	assert.Empty(t, told(t, conn, delayed))
	vague := bytes.Replace(sink.Bounce(mail, "5.1.1", now), []byte("Status: 5.1.1"), []byte("Status: 5.0.0"), 1)
	assert.Equal(t, sdk.DeliveryHardBounced, told(t, conn, vague)[0].State, "what the other server said tells more")

	// A report is a mail that anybody could write.
	forged := bytes.ReplaceAll(sink.Bounce(mail, "5.1.1", now), []byte("q8r9s0t."), []byte("q8r9s0v."))
	assert.Empty(t, told(t, conn, forged))
	for _, nothing := range []string{"", "no mail", "Subject: hello\r\n\r\nhello", "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n"} {
		assert.Empty(t, told(t, conn, []byte(nothing)))
	}
}

func TestWebhooksAreBelievedOnlyWhenSigned(t *testing.T) {
	_, conn := connect(t, sink.Options{})
	body, now := []byte("Subject: x\r\n\r\n"), time.Now()
	receive := func(conn sdk.Connection, signature string) string {
		_, err := conn.(sdk.Receiver).Receive(t.Context(), sdk.Webhook{Body: body, At: now, Header: http.Header{smtp.SignatureHeader: {signature}}})
		if err == nil {
			return ""
		}
		return string(sdk.AsFault(err).Kind)
	}
	assert.Empty(t, receive(conn, sink.Sign(body, now)))
	assert.Equal(t, "STALE", receive(conn, sink.Sign(body, now.Add(-6*time.Minute))))
	assert.Equal(t, "STALE", receive(conn, sink.Sign(body, now.Add(6*time.Minute))))
	for _, bad := range []string{"", "t=1", "v1=00", smtp.Sign("another secret of it", body, now), sink.Sign(append(body, 'x'), now),
		strings.Replace(sink.Sign(body, now), "t=1", "t=2", 1), "t=x,v1=zz"} {
		assert.Equal(t, "UNAUTHORIZED", receive(conn, bad), bad)
	}
	_, silent := connect(t, sink.Options{}, "webhookSecret", "")
	assert.Equal(t, "UNAUTHORIZED", receive(silent, smtp.Sign("", body, now)))
}

func TestTheSandboxReportsOverTheWebhook(t *testing.T) {
	s, conn := connect(t, sink.Options{})
	got := make(chan []sdk.Delivery, 4)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received, err := conn.(sdk.Receiver).Receive(r.Context(), sdk.Webhook{Body: body, At: time.Now(), Header: r.Header})
		assert.NoError(t, err)
		got <- received.Deliveries
	}))
	defer hook.Close()
	sent, fault := send(t, conn, letter())
	require.Nil(t, fault)
	control := httptest.NewServer(sandbox.Mount(s.Emulator()))
	defer control.Close()
	s.Desk().Outbox.SetURL(hook.URL)
	for path, want := range map[string]sdk.DeliveryState{"bounce": sdk.DeliveryHardBounced, "complaint": sdk.DeliveryComplained} {
		answer, err := http.Post(control.URL+"/smtp/_sandbox/"+path, "application/json", strings.NewReader(fmt.Sprintf(`{"id":%q}`, sent.ID)))
		require.NoError(t, err)
		answer.Body.Close()
		require.Equal(t, http.StatusOK, answer.StatusCode)
		select {
		case list := <-got:
			require.Len(t, list, 1)
			assert.Equal(t, []any{key, want}, []any{list[0].Key, list[0].State})
		case <-time.After(5 * time.Second):
			t.Fatal("no report came")
		}
	}
	s.Desk().Outbox.Flush()
	http.DefaultClient.CloseIdleConnections()
}

func FuzzReports(f *testing.F) {
	s, conn := connect(f, sink.Options{})
	_, fault := send(f, conn, letter())
	if fault != nil {
		f.Fatal(fault)
	}
	f.Add(sink.Bounce(s.Mails()[0], "5.1.1", time.Now()))
	f.Add(sink.Complaint(s.Mails()[0], time.Now()))
	f.Fuzz(func(t *testing.T, body []byte) {
		now := time.Now()
		got, err := conn.(sdk.Receiver).Receive(t.Context(), sdk.Webhook{
			Body: body, At: now, Header: http.Header{smtp.SignatureHeader: {smtp.Sign(sink.WebhookSecret, body, now)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range got.Deliveries {
			if d.Key != key || strings.Contains(d.Reason, "example") {
				t.Fatalf("%+v", d)
			}
		}
	})
}
