// For TypeScript with React 19: import type {} from 'h5live/react';
import type { DetailedHTMLProps, HTMLAttributes } from 'react';
import type { H5Live, H5LiveEventMap, Transport } from './h5live.js';

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'h5-live': DetailedHTMLProps<HTMLAttributes<H5Live>, H5Live> & {
        src?: string;
        muted?: boolean;
        transport?: Transport;
        quality?: string;
        latency?: 'low' | 'smooth' | number | string;
        controls?: '' | 'none';
        keys?: 'page' | 'none';
        loading?: 'lazy';
        autoplay?: 'none';
        poster?: 'none' | string;
        remote?: boolean | '';
        onstatechange?: (event: H5LiveEventMap['statechange']) => void;
        onvolumechange?: (event: H5LiveEventMap['volumechange']) => void;
      };
    }
  }
}
