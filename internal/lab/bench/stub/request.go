package stub

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
)

// requests are what a connection brings.
type requests struct {
	from *bufio.Reader
	body []byte // of the last request; used again
}

func newReader(c net.Conn) *requests { return &requests{from: bufio.NewReaderSize(c, 64<<10)} }

// The two headers that matter. Every Go client writes them in this form.
var (
	targetHeader = []byte("X-Amz-Target: ")
	lengthHeader = []byte("Content-Length: ")
)

// request reads one; the body is valid until the next.
func (r *requests) request() (operation string, body []byte, err error) {
	length := -1
	for {
		line, err := r.from.ReadSlice('\n')
		if err != nil {
			return "", nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if target, ok := bytes.CutPrefix(line, targetHeader); ok {
			operation = string(target[bytes.LastIndexByte(target, '.')+1:])
		} else if text, ok := bytes.CutPrefix(line, lengthHeader); ok {
			if length, err = strconv.Atoi(string(text)); err != nil {
				return "", nil, err
			}
		}
	}
	if length < 0 || operation == "" {
		return "", nil, errors.New("stub: a request without a length or an operation")
	}
	if cap(r.body) < length {
		r.body = make([]byte, length)
	}
	r.body = r.body[:length]
	_, err = io.ReadFull(r.from, r.body)
	return operation, r.body, err
}
