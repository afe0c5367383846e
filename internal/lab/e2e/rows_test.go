package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events/eventstest"
)

// put writes an item as the bytes that it is: no SDK decodes or encodes it.
func (w *world) put(table *dynamodb.Table, item string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), hung)
	defer cancel()
	body := fmt.Sprintf(`{"TableName":%q,"Item":%s}`, table.Name(), item)
	for {
		status, answer := w.post(ctx, body)
		if status == http.StatusOK {
			return
		}
		// DynamoDB Local gives up on a lock now and then, and says that DynamoDB would not.
		require.GreaterOrEqual(w.t, status, http.StatusInternalServerError, "%.300s: %s", answer, item)
		require.NoError(w.t, ctx.Err(), "%.300s: %s", answer, item)
		time.Sleep(100 * time.Millisecond)
	}
}

// post makes one PutItem.
func (w *world) post(ctx context.Context, body string) (status int, answer []byte) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.config.Source.DynamoDB.Endpoint, strings.NewReader(body))
	require.NoError(w.t, err)
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810.PutItem")
	// DynamoDB Local wants the form of a signature, and looks no further.
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	response, err := http.DefaultClient.Do(request)
	require.NoError(w.t, err)
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	require.NoError(w.t, err)
	return response.StatusCode, bytes.TrimSpace(answer)
}

// strange is an item with attributes of any type, and with names and values that are easy to damage. It is row n of
// a country of its own.
func strange(n int) string {
	key := fmt.Sprintf(`"country":{"S":"it's \"#1\" 🔑"},"cityId":{"N":"%d.50"}`, n)
	return rapid.Custom(func(t *rapid.T) string { return eventstest.Item(t, key, 12, "country", "cityId") }).Example(n)
}

// largest are items of about the size that DynamoDB allows: of text, of bytes, of so many small values that they are
// some MB on the wire; and one nested as deeply as it allows.
func largest() []string {
	items := make([]string, 0, 4)
	for n, value := range []string{
		`{"S":"` + strings.Repeat("é", 190<<10) + `"}`, `{"B":"` + strings.Repeat("AAEC", 125<<10) + `"}`,
		`{"L":[` + strings.TrimSuffix(strings.Repeat(`{"NULL":true},`, 195<<10), ",") + `]}`, eventstest.Deep(),
	} {
		items = append(items, fmt.Sprintf(`{"country":{"S":"large"},"cityId":{"N":"%d"},"value":%s}`, n, value))
	}
	return items
}
