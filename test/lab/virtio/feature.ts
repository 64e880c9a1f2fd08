/** Numbers of virtio 1.2 (5.1.3, 6) and of the vhost-user protocol, as bits. */

export const CSUM = 1n << 0n
export const GUEST_CSUM = 1n << 1n
export const MTU = 1n << 3n
export const GUEST_TSO4 = 1n << 7n
export const GUEST_TSO6 = 1n << 8n
export const GUEST_ECN = 1n << 9n
export const HOST_TSO4 = 1n << 11n
export const HOST_TSO6 = 1n << 12n
export const HOST_ECN = 1n << 13n
export const MRG_RXBUF = 1n << 15n
export const MQ = 1n << 22n
export const LOG_ALL = 1n << 26n
export const INDIRECT_DESC = 1n << 28n
export const EVENT_IDX = 1n << 29n
/** of the transport: protocol features can be negotiated */
export const PROTOCOL = 1n << 30n
export const VERSION_1 = 1n << 32n
export const RING_PACKED = 1n << 34n
export const IN_ORDER = 1n << 35n

export const OFFLOADS = CSUM | GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | HOST_TSO4 | HOST_TSO6
/** What a Linux guest takes of what it is offered. */
export const USUAL = OFFLOADS | MRG_RXBUF | MQ | INDIRECT_DESC | EVENT_IDX | VERSION_1

/** protocol features */
export const PROTOCOL_MQ = 1n << 0n
export const PROTOCOL_LOG = 1n << 1n
export const PROTOCOL_REPLY_ACK = 1n << 3n
export const PROTOCOL_MTU = 1n << 4n
export const PROTOCOL_BACKEND_REQUEST = 1n << 5n
export const PROTOCOL_CONFIG = 1n << 9n
export const PROTOCOL_INFLIGHT = 1n << 12n
export const PROTOCOL_MEMORY_SLOTS = 1n << 15n
export const PROTOCOL_STATUS = 1n << 16n

/** requests of a front-end */
export const GET_FEATURES = 1
export const SET_FEATURES = 2
export const SET_OWNER = 3
export const RESET_OWNER = 4
export const SET_MEM_TABLE = 5
export const SET_LOG_BASE = 6
export const SET_LOG_FD = 7
export const SET_VRING_NUM = 8
export const SET_VRING_ADDR = 9
export const SET_VRING_BASE = 10
export const GET_VRING_BASE = 11
export const SET_VRING_KICK = 12
export const SET_VRING_CALL = 13
export const SET_VRING_ERR = 14
export const GET_PROTOCOL_FEATURES = 15
export const SET_PROTOCOL_FEATURES = 16
export const GET_QUEUE_NUM = 17
export const SET_VRING_ENABLE = 18
export const SEND_RARP = 19
export const NET_SET_MTU = 20
export const SET_BACKEND_REQ_FD = 21
export const GET_CONFIG = 24
export const SET_CONFIG = 25
export const GET_INFLIGHT_FD = 31
export const SET_INFLIGHT_FD = 32
export const RESET_DEVICE = 34
export const GET_MAX_MEM_SLOTS = 36
export const ADD_MEM_REG = 37
export const REM_MEM_REG = 38
export const SET_STATUS = 39
export const GET_STATUS = 40
